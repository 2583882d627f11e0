"""A server under mixed reads and writes for long: whether its memory and its descriptors stay.

usage: serve_soak.py DEXTER HTTP_LOAD STORE [MINUTES [TEXTS [RATE]]]

For 30 minutes by default, on a copy of the store: an open loop of RATE queries a second, 1,000 by default (`http_load`;
of TEXTS, a file, if given), and labels put and removed, about 20 a second; a compaction every 5 minutes. After a
warm-up of a tenth of the time, at least a minute, memory and descriptors are read every 5 seconds. Prints one JSON object.
"""
import json
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests" / "tools"))
from served_store import start  # first: it makes the client importable
from dexter_client import Client, DexterError, Label

LABELS, COMPACT_S, READ_S = 500, 300, 5


def write(url, stop, counts):
    client, number, compacted = Client(url), 0, time.monotonic()
    while not stop.wait(0.05):
        key = f"soak-{number % LABELS}"
        try:
            if number // LABELS % 2:
                client.remove_label(key)
            else:
                client.put_labels([Label(key, f"soak {number}", "rain, wind and the history of railways")])
            if time.monotonic() - compacted > COMPACT_S:
                client.compact()
                compacted = time.monotonic()
                counts["compactions"] += 1
            counts["changes"] += 1
        except DexterError as error:
            counts["failed"].append(str(error))
        number += 1
    client.close()


def reading(pid):
    status = Path(f"/proc/{pid}/status").read_text()
    kib = int(status.split("VmRSS:")[1].split()[0])
    return kib / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def growth(values):
    """Of the last third's median over the first third's, in percent."""
    third = max(1, len(values) // 3)
    first, last = statistics.median(values[:third]), statistics.median(values[-third:])
    return 100 * (last - first) / first


def main():
    binary, http_load, store = sys.argv[1:4]
    seconds = 60 * float(sys.argv[4]) if len(sys.argv) > 4 else 1800
    rate = sys.argv[6] if len(sys.argv) > 6 else "1000"
    warm_up = max(60, seconds / 10)
    counts = {"changes": 0, "compactions": 0, "failed": []}
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder) / "store"
        shutil.copytree(store, copy)
        server, url = start(binary, copy)
        arguments = [http_load, "--port", url.split(":")[2], "--rate", rate, "--seconds", str(seconds),
                     "--warm-up", "0", *(["--texts", sys.argv[5]] if len(sys.argv) > 5 else [])]
        stop = threading.Event()
        writer = threading.Thread(target=write, args=(url, stop, counts))
        writer.start()
        load = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        time.sleep(warm_up)
        readings = []
        while load.poll() is None:
            readings.append(reading(server.pid))
            time.sleep(READ_S)
        stop.set()
        writer.join()
        queries = json.loads(load.stdout.read())
        server.send_signal(signal.SIGTERM)
        server.wait()
    memory, descriptors = zip(*readings)
    print(json.dumps({
        "minutes": seconds / 60, "warm_up_s": warm_up, "queries": queries["statuses"], "broken": queries["broken"],
        "ok_ms": queries["ok_ms"], **{**counts, "failed": counts["failed"][:3], "failures": len(counts["failed"])},
        "memory_mib": [round(memory[0]), round(min(memory)), round(max(memory)), round(memory[-1])],
        "memory_growth_percent": round(growth(memory), 2), "descriptors": [min(descriptors), max(descriptors)]}))


if __name__ == "__main__":
    main()
