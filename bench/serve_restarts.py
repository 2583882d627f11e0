"""Restarts and reloads servers behind haproxy while clients query through it: none may fail or mix two generations.

usage: serve_restarts.py DEXTER [RESTARTS]      100 by default; needs haproxy
Two servers read one store, which a third one writes: a generation before each step, in which one server reloads and the
other is restarted, by SIGTERM, with a grace in which the proxy sees that it goes. Prints one line of counts.
"""
import signal
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from urllib.request import Request, urlopen

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tools"))
from served_store import make_store, start  # first: it makes the client importable
from dexter_client import Client, Label
from serve_load import Generations, Load

# A request that meets a server at its end is sent once more, to the other one.
CONFIG = """
global
    maxconn 1024
defaults
    mode http
    timeout connect 2s
    timeout client 30s
    timeout server 30s
    timeout queue 10s
    option redispatch 1
    retries 5
    retry-on conn-failure empty-response 503
frontend all
    bind 127.0.0.1:{port}
    default_backend dexter
backend dexter
    balance roundrobin
    option httpchk GET /readyz
    default-server check inter 100ms fall 1 rise 1
    server a 127.0.0.1:{a}
    server b 127.0.0.1:{b}
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until_up(stats, name):
    """Until haproxy has seen that a server is ready."""
    while True:
        with socket.socket(socket.AF_UNIX) as control:
            control.connect(str(stats))
            control.sendall(b"show stat\n")
            rows = control.makefile().read().splitlines()
        if any(row.startswith(f"dexter,{name},") and ",UP," in row for row in rows):
            return
        time.sleep(0.02)


def main():
    binary, restarts = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 100
    generations = Generations()
    ports = {name: free_port() for name in ("port", "a", "b")}
    with tempfile.TemporaryDirectory() as folder:
        store, stats = make_store(binary, Path(folder)), Path(folder) / "haproxy.sock"
        config = CONFIG.replace("global\n", f"global\n    stats socket {stats} level admin\n").format(**ports)
        (Path(folder) / "haproxy.cfg").write_text(config)
        writing, writer_url = start(binary, store)
        writer = Client(writer_url)

        def write_generation(number):
            writer.put_labels([Label("marker", f"version {number}", "rain and cats")])
            generations.names[writer.compact()["generation"]] = f"version {number}"

        def start_reader(name):
            return start(binary, store, "--set", "serve.read_only=true", "--set", "serve.grace_ms=500", port=ports[name])[0]

        write_generation(0)
        servers = {name: start_reader(name) for name in ("a", "b")}
        proxy = subprocess.Popen(["haproxy", "-q", "-f", str(Path(folder) / "haproxy.cfg")])
        while not stats.exists():
            time.sleep(0.02)
        for name in servers:
            wait_until_up(stats, name)
        with Load(f"http://127.0.0.1:{ports['port']}", generations) as load:
            for number in range(1, restarts + 1):
                name, other = "ab" if number % 2 else "ba"
                write_generation(number)
                urlopen(Request(f"http://127.0.0.1:{ports[other]}/v1/admin/reload", method="POST"), timeout=60).close()
                servers[name].send_signal(signal.SIGTERM)
                servers[name].wait()
                servers[name].stderr.close()
                servers[name] = start_reader(name)
                wait_until_up(stats, name)
        writer.close()
        for process in (*servers.values(), writing, proxy):
            process.send_signal(signal.SIGTERM)
            process.wait()
    print(f"{restarts} reloads and restarts, {load.answers} answers, {len(load.failures)} failed or mixed", *load.failures[:3], sep="\n")
    return 1 if load.failures or load.answers < restarts else 0


if __name__ == "__main__":
    sys.exit(main())
