"""A server under mixed reads and writes for long: whether its memory and its descriptors stay.

usage: serve_soak.py DEXTER HTTP_LOAD STORE [MINUTES [TEXTS [RATE]]]

For 30 minutes by default, on a copy of the store: an open loop of RATE queries a second, 1,000 by default (`http_load`;
of TEXTS, a file, if given), and labels put and removed, about 20 a second; a compaction every 5 minutes. After a
warm-up of a tenth of the time, and 180,000 queries, which fill the cache of answers, memory and descriptors are read
every 5 seconds: of the resident memory what is the process's own (anonymous), and what of mapped files was touched.
Prints one JSON object.
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
    own, files = (int(status.split(f"{kind}:")[1].split()[0]) / 1024 for kind in ("RssAnon", "RssFile"))
    return own, files, own + files, len(list(Path(f"/proc/{pid}/fd").iterdir()))


def told(values):
    return {"first": round(values[0]), "least": round(min(values)), "most": round(max(values)), "last": round(values[-1]),
            "growth_percent": round(growth(values), 2)}


def growth(values):
    """Of the last third's median over the first third's, in percent."""
    third = max(1, len(values) // 3)
    first, last = statistics.median(values[:third]), statistics.median(values[-third:])
    return 100 * (last - first) / first


def main():
    binary, http_load, store = sys.argv[1:4]
    seconds = 60 * float(sys.argv[4]) if len(sys.argv) > 4 else 1800
    rate = sys.argv[6] if len(sys.argv) > 6 else "1000"
    warm_up = max(60, seconds / 10, 180000 / float(rate))
    if warm_up >= seconds:
        raise SystemExit(f"{seconds / 60:g} minutes end before the warm-up of {warm_up:g} s; give more, or a higher rate")
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
    own, files, resident, descriptors = zip(*readings)
    print(json.dumps({
        "minutes": seconds / 60, "warm_up_s": warm_up, "queries": queries["statuses"], "broken": queries["broken"],
        "ok_ms": queries["ok_ms"], **{**counts, "failed": counts["failed"][:3], "failures": len(counts["failed"])},
        "resident_mib": told(resident), "own_mib": told(own), "files_mib": told(files),
        "descriptors": [min(descriptors), max(descriptors)]}))


if __name__ == "__main__":
    main()
