"""Reloads a server that only reads, by SIGHUP and by request in turn, while clients query it and another server writes
new generations: no request fails, and no answer mixes two generations.

usage: reload_test.py DEXTER [RELOADS]      20 by default; prints one line of counts
"""
import contextlib
import signal
import sys
import tempfile
import urllib.request
from pathlib import Path

from served_store import make_store, running  # first: it makes the client importable
from dexter_client import Client, Label
from serve_load import Generations, Load


def write_generation(writer, number, generations):
    name = f"version {number}"
    writer.put_labels([Label("marker", name, "rain and cats")])
    generation = writer.compact()["generation"]
    generations.names[generation] = name
    return generation


def main():
    binary, reloads = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 20
    generations = Generations()
    with contextlib.ExitStack() as stack:
        store = make_store(binary, Path(stack.enter_context(tempfile.TemporaryDirectory())))
        _, writer_url = stack.enter_context(running(binary, store))
        writer = stack.enter_context(Client(writer_url))
        write_generation(writer, 0, generations)
        server, url = stack.enter_context(running(binary, store, "--set", "serve.read_only=true"))
        reader = stack.enter_context(Client(url))
        with Load(url, generations) as load:
            for number in range(1, reloads + 1):
                newest = write_generation(writer, number, generations)
                if number % 2:
                    server.send_signal(signal.SIGHUP)
                else:
                    request = urllib.request.Request(f"{url}/v1/admin/reload", method="POST")
                    urllib.request.urlopen(request).close()
                while "read again" not in (line := server.stderr.readline()):
                    assert line, "the server is gone"
                assert reader.info()["generation"] == newest
    print(f"{reloads} reloads, {load.answers} answers, {len(load.failures)} failed or mixed", *load.failures[:3], sep="\n")
    return 1 if load.failures or load.answers < reloads else 0


if __name__ == "__main__":
    sys.exit(main())
