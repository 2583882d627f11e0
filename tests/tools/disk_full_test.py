"""Fills the disk of a server and frees it again: queries go on, writes answer 507, then go on without a restart.

usage: disk_full_test.py DEXTER [CYCLES]     5 by default; needs root for a small tmpfs, exits 77 (skipped) without
"""
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from served_store import make_store, start  # first: it makes the client importable
from dexter_client import Client, DexterError, Label

MEBIBYTES = 400  # an import refuses a smaller disk


def fill(path):
    with open(path, "wb", buffering=0) as file:
        try:
            while True:
                file.write(b"\0" * 65536)
        except OSError:
            pass


def put_until_refused(client, cycle, kept):
    """Puts labels until one is refused; that status."""
    for number in range(2000):
        label = Label(f"{cycle}-{number}", "A", "rain and cats " * 50)
        try:
            client.put_labels([label])
        except DexterError as error:
            return error.status
        kept.append(label.key)
    return 200


def run(binary, folder, cycles):
    store = make_store(binary, folder)
    server, url = start(binary, store)
    statuses, kept, recovered = [], [], 0
    with Client(url, retries=0) as client:
        for cycle in range(cycles):
            fill(folder / "filler")
            statuses.append(put_until_refused(client, cycle, kept))
            assert client.query("rain and wind", k=1).labels[0], "queries go on"
            (folder / "filler").unlink()
            try:
                client.put_labels([Label(f"{cycle}-after", "B", "rain and cats")])
                kept.append(f"{cycle}-after")
                recovered += 1
            except DexterError as error:
                print(f"after the disk was freed: {error.status} {error}")
        server.kill()
        server.wait()
        server.stderr.close()
    server, url = start(binary, store)
    with Client(url) as client:
        for key in kept:
            client.label(key)
    server.kill()
    server.wait()
    server.stderr.close()
    print(f"{cycles} cycles: refused with {sorted(set(statuses))}, {recovered} recovered without a restart, "
          f"{len(kept)} acknowledged writes all there")
    return 0 if set(statuses) == {507} and recovered == cycles else 1


def main():
    binary, cycles = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 5
    folder = tempfile.mkdtemp()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={MEBIBYTES}m", "dexter-disk-full", folder]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        os.rmdir(folder)
        print("skipped: a tmpfs can be mounted by root only")
        return 77
    try:
        return run(binary, Path(folder), cycles)
    finally:
        subprocess.run(["umount", folder], check=True)
        os.rmdir(folder)


if __name__ == "__main__":
    sys.exit(main())
