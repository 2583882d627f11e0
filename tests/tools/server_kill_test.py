"""Kills a server at random while 8 writers write: what was acknowledged is there afterwards, and no half of a batch.

usage: server_kill_test.py DEXTER [CYCLES]      5 by default; prints one line of counts
"""
import random
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path

from served_store import make_store, start  # first: it makes the client importable
from dexter_client import Client, Label, NotFound, Unavailable

WRITERS = 8
BATCH = 5


def missing(client, key):
    try:
        client.label(key)
    except NotFound:
        return True
    return False


class Writer(threading.Thread):
    """Puts single labels and batches, and removes some again, until the server is gone."""

    def __init__(self, url, name, seed):
        super().__init__()
        self.client, self.prefix, self.random = Client(url, retries=0), name, random.Random(seed)
        self.present, self.absent = set(), set()
        self.done = False
        self.unsure = []  # the keys of each write whose answer never came

    def run(self):
        for number in range(10**9):
            keys = [f"{self.prefix}-{number}-{i}" for i in range(self.random.choice([1, BATCH]))]
            try:
                self.client.put_labels([Label(key, key, "rain and cats") for key in keys])
            except Unavailable:
                self.unsure.append(keys)
                break
            self.present.update(keys)
            if self.random.random() < 0.2:
                self.present.discard(keys[0])
                try:
                    self.client.remove_label(keys[0])
                except Unavailable:
                    self.unsure.append(keys[:1])
                    break
                self.absent.add(keys[0])
        self.done = True  # not by an answer that nobody expected


def check(url, writers):
    """(acknowledged writes, those that are lost, batches of which a part is there)."""
    client = Client(url)
    lost = half = 0
    for writer in writers:
        assert writer.done
        lost += sum(missing(client, key) for key in writer.present)
        lost += sum(not missing(client, key) for key in writer.absent)
        half += sum(len({missing(client, key) for key in keys}) > 1 for keys in writer.unsure)
    client.close()
    return sum(len(writer.present) + len(writer.absent) for writer in writers), lost, half


def main():
    binary, cycles = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    chance = random.Random(7)
    acknowledged = lost = half = failed_starts = 0
    with tempfile.TemporaryDirectory() as folder:
        store = make_store(binary, Path(folder))
        writers = []
        for cycle in range(cycles + 1):
            try:
                server, url = start(binary, store)
            except RuntimeError as error:
                print(error)
                failed_starts += 1
                break
            counts = check(url, writers)
            acknowledged, lost, half = acknowledged + counts[0], lost + counts[1], half + counts[2]
            writers = [Writer(url, f"{cycle}-{i}", 100 * cycle + i) for i in range(WRITERS)]
            if cycle < cycles:
                for writer in writers:
                    writer.start()
                time.sleep(chance.uniform(0.01, 0.4))
            server.kill()
            server.wait()
            server.stderr.close()
            for writer in writers:
                if writer.ident:
                    writer.join()
                writer.client.close()
        subprocess.run([binary, "verify", "--store", store], check=True, capture_output=True)
    print(f"{cycles} kills, {acknowledged} acknowledged writes: {lost} lost, {half} half batches, "
          f"{failed_starts} failed starts")
    return 1 if lost or half or failed_starts or not acknowledged else 0


if __name__ == "__main__":
    sys.exit(main())
