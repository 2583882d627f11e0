"""HTTPS of a real server, asked by Python's ssl with a certificate made here by openssl; pages of other origins.

usage: tls_test.py DEXTER
"""
import http.client
import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from served_store import make_store, start, stop

BINARY = sys.argv[1]
QUERY = json.dumps({"text": "rain and wind", "k": 1})


def make_certificate(folder, name):
    """PEM files of a certificate for 127.0.0.1, signed by itself, and its key."""
    certificate, key = folder / f"{name}.pem", folder / f"{name}.key"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                    "-days", "2", "-subj", f"/CN={name}", "-addext", "subjectAltName=IP:127.0.0.1",
                    "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return certificate, key


class Tls(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.kept = tempfile.TemporaryDirectory()
        cls.folder = Path(cls.kept.name)
        cls.store = make_store(BINARY, cls.folder)
        cls.first, cls.second = make_certificate(cls.folder, "first"), make_certificate(cls.folder, "second")
        cls.certificate, cls.key = cls.folder / "served.pem", cls.folder / "served.key"
        cls.serve(cls.first)
        cls.server, cls.url = start(BINARY, cls.store, "--set", f"serve.tls_certificate={cls.certificate}",
                                    "--set", f"serve.tls_key={cls.key}", "--set", "serve.header_ms=1000",
                                    "--set", "serve.cors_origins=https://a.example")
        cls.port = int(cls.url.split(":")[2])

    @classmethod
    def tearDownClass(cls):
        stop(cls.server)
        cls.kept.cleanup()

    @classmethod
    def serve(cls, files):
        shutil.copy(files[0], cls.certificate)
        shutil.copy(files[1], cls.key)

    def client(self, files, **more):
        context = ssl.create_default_context(cafile=files[0])
        for name, value in more.items():
            setattr(context, name, value)
        connection = http.client.HTTPSConnection("127.0.0.1", self.port, context=context, timeout=20)
        self.addCleanup(connection.close)
        return connection

    def ask(self, connection, method, target, body=None, headers=None):
        connection.request(method, target, body, headers or {})
        response = connection.getresponse()
        return response, response.read()

    def test_answers_under_tls_alone(self):
        self.assertTrue(self.url.startswith("https://"))
        for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
            client = self.client(self.first, minimum_version=version, maximum_version=version)
            for _ in range(3):
                response, body = self.ask(client, "POST", "/v1/query", QUERY)
                self.assertEqual(response.status, 200)
                self.assertEqual(json.loads(body)["results"][0]["labels"][0]["key"], "weather")
            large, _ = self.ask(client, "POST", "/v1/query", json.dumps({"text": "rain " * 10000}))
            self.assertEqual(large.status, 200)
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain:
            plain.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\n\r\n")
            self.assertNotIn(b"HTTP", plain.recv(100))

    def test_ends_a_connection_in_good_order(self):
        client = self.client(self.first)
        response, _ = self.ask(client, "GET", "/livez", headers={"Connection": "close"})
        self.assertEqual(response.status, 200)
        context = ssl.create_default_context(cafile=self.first[0])
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1", suppress_ragged_eofs=False) as secure:
                secure.sendall(b"GET /livez HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                while secure.recv(1000):  # raises where the end is not told
                    pass

    def test_ends_a_client_that_does_not_shake_hands(self):
        with socket.create_connection(("127.0.0.1", self.port), timeout=20) as silent:
            self.assertEqual(silent.recv(100), b"")

    def test_takes_a_new_certificate_on_a_reload(self):
        self.addCleanup(self.reload, self.first)
        self.reload(self.second)
        response, _ = self.ask(self.client(self.second), "GET", "/livez")
        self.assertEqual(response.status, 200)
        with self.assertRaises(ssl.SSLCertVerificationError):
            self.ask(self.client(self.first), "GET", "/livez")
        # One that cannot be taken leaves all as it was.
        self.key.write_text("no key")
        self.server.send_signal(signal.SIGHUP)
        while "all stays as it was" not in self.server.stderr.readline():
            pass
        response, _ = self.ask(self.client(self.second), "GET", "/livez")
        self.assertEqual(response.status, 200)

    def reload(self, files):
        self.serve(files)
        self.server.send_signal(signal.SIGHUP)
        while "read again" not in self.server.stderr.readline():
            pass

    def test_says_what_is_wrong_with_its_files(self):
        for certificate, key, message in ((self.first[0], self.second[1], "serve.tls_key"),
                                          (self.first[0], "", "both or neither"),
                                          (self.folder / "absent", self.first[1], "serve.tls_certificate")):
            done = subprocess.run([BINARY, "serve", "--store", self.store, "--port", "0", "--set", "serve.read_only=true",
                                   "--set", f"serve.tls_certificate={certificate}", "--set", f"serve.tls_key={key}"],
                                  capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(message, done.stderr)

    def test_lets_pages_of_the_named_origin_ask(self):
        client = self.client(self.first)
        question = {"Origin": "https://a.example", "Access-Control-Request-Method": "POST"}
        response, _ = self.ask(client, "OPTIONS", "/v1/query", headers=question)
        self.assertEqual(response.status, 204)
        self.assertEqual(response.getheader("Access-Control-Allow-Origin"), "https://a.example")
        self.assertIn("POST", response.getheader("Access-Control-Allow-Methods"))
        response, _ = self.ask(client, "POST", "/v1/query", QUERY, {"Origin": "https://a.example"})
        self.assertEqual(response.getheader("Access-Control-Allow-Origin"), "https://a.example")
        other = {**question, "Origin": "https://b.example"}
        response, _ = self.ask(client, "OPTIONS", "/v1/query", headers=other)
        self.assertEqual((response.status, response.getheader("Access-Control-Allow-Origin")), (405, None))


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
