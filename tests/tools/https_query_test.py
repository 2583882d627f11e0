"""`dexter query --url https://...` through a proxy that ends TLS before a real server.

usage: https_query_test.py DEXTER
"""
import os
import shutil
import socket
import socketserver
import ssl
import subprocess
import sys
import tempfile
import threading
import unittest
from pathlib import Path

from served_store import make_store, start, stop

BINARY = sys.argv.pop()
TEXT = "a storm with rain and wind"


class Proxy(socketserver.ThreadingTCPServer):
    """TLS on a free port of 127.0.0.1, passed on in the clear."""
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, context, to):
        super().__init__(("127.0.0.1", 0), None)
        self.context, self.to = context, to

    def finish_request(self, request, client_address):
        try:
            with self.context.wrap_socket(request, server_side=True) as outside, socket.create_connection(self.to) as inside:
                threading.Thread(target=self.copy, args=(inside, outside), daemon=True).start()
                self.copy(outside, inside)
        except (ssl.SSLError, OSError):
            pass  # a client that does not trust the certificate

    @staticmethod
    def copy(source, target):
        try:
            while part := source.recv(1 << 16):
                target.sendall(part)
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass


class HttpsQueryTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = Path(cls.folder.name)
        cls.certificate, key = root / "certificate.pem", root / "key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                        "-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-keyout", key,
                        "-out", cls.certificate], check=True, capture_output=True)
        cls.store = make_store(BINARY, root)
        cls.server, url = start(BINARY, cls.store)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(cls.certificate, key)
        cls.proxy = Proxy(context, ("127.0.0.1", int(url.rsplit(":", 1)[1])))
        cls.port = cls.proxy.server_address[1]
        threading.Thread(target=cls.proxy.serve_forever, daemon=True).start()

    @classmethod
    def tearDownClass(cls):
        cls.proxy.shutdown()
        cls.proxy.server_close()
        stop(cls.server)
        cls.folder.cleanup()

    def query(self, host, **environment):
        return subprocess.run([BINARY, "query", "--url", f"https://{host}:{self.port}", TEXT], text=True,
                              capture_output=True, env={**os.environ, **environment})

    def test_answers_like_the_store_where_the_certificate_is_trusted(self):
        answer = self.query("localhost", SSL_CERT_FILE=str(self.certificate))
        self.assertEqual(answer.stderr, "")
        own = subprocess.run([BINARY, "query", "--store", self.store, TEXT], text=True, capture_output=True, check=True)
        self.assertEqual(answer.stdout, own.stdout)

    def test_refuses_a_certificate_that_is_not_trusted_or_of_another_host(self):
        for host, environment in (("localhost", {}), ("127.0.0.1", {"SSL_CERT_FILE": str(self.certificate)})):
            answer = self.query(host, **environment)
            self.assertEqual((answer.returncode, answer.stdout), (6, ""))
            self.assertIn("certificate", answer.stderr)


if __name__ == "__main__":
    if shutil.which("openssl") is None:
        print("skipped: no openssl makes the certificate")
        sys.exit(77)
    unittest.main(verbosity=2)
