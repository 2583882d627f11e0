"""What slow clients do to the others: 1,000 connections that send heads or bodies by the byte, or never read.

usage: serve_slow.py HTTP_LOAD PORT [CONNECTIONS [TEXTS]]     of a running `dexter serve`
Prints the latencies of an open loop (`http_load`) alone, then beside each kind of slow client.
"""
import json
import resource
import select
import socket
import subprocess
import sys
import threading
import time

RATE, SECONDS = 1000, 4
HEAD = b"POST /v1/query HTTP/1.1\r\nHost: a\r\nX-Padding: " + b"x" * 1000
BODY = b"POST /v1/query HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\n" + b" " * 1000
# Pipelined: answers pile up that nobody takes.
ASKED = b"GET /v1/info HTTP/1.1\r\nHost: a\r\n\r\n" * 200


def connect(port, count):
    return [socket.create_connection(("127.0.0.1", port)) for _ in range(count)]


def trickle(port, count, content, stop):
    """Sends a byte now and then on each connection, and opens those again that the server ended."""
    connections = connect(port, count)
    at = [min(60, len(content))] * count
    for connection in connections:
        connection.sendall(content[:60])
    while not stop.is_set():
        for i, connection in enumerate(connections):
            if select.select([connection], [], [], 0)[0] or at[i] + 1 >= len(content):
                connection.close()
                connections[i], at[i] = connect(port, 1)[0], 0
            connections[i].sendall(content[at[i]:at[i] + 1])
            at[i] += 1
        stop.wait(0.5)
    for connection in connections:
        connection.close()


def never_read(port, count, content, stop):
    connections = connect(port, count)
    for connection in connections:
        connection.setblocking(False)
        try:
            connection.send(content)
        except OSError:  # its buffer is full, as it should be
            pass
    stop.wait()
    for connection in connections:
        connection.close()


def load(binary, port, texts):
    command = [binary, "--port", str(port), "--connections", "64", "--rate", str(RATE), "--seconds", str(SECONDS)]
    if texts:
        command += ["--texts", texts]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    failed = found["broken"] + sum(n for status, n in found["statuses"].items() if status != "200")
    return f"{found['ok_per_s']:.0f}/s, p50 {found['ok_ms']['p50']} ms, p99 {found['ok_ms']['p99']} ms, {failed} failed"


def main():
    binary, port = sys.argv[1], int(sys.argv[2])
    count = int(sys.argv[3]) if len(sys.argv) > 3 else 1000
    texts = sys.argv[4] if len(sys.argv) > 4 else None
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 200), hard))
    print(f"{'quiet':12}{load(binary, port, texts)}")
    for name, kind, content in (("slow heads", trickle, HEAD), ("slow bodies", trickle, BODY),
                                ("no reading", never_read, ASKED)):
        stop = threading.Event()
        thread = threading.Thread(target=kind, args=(port, count, content, stop))
        thread.start()
        time.sleep(2)
        print(f"{name:12}{load(binary, port, texts)}", flush=True)
        stop.set()
        thread.join()


if __name__ == "__main__":
    main()
