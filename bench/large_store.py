#!/usr/bin/env python3
"""Restart of a large store, and labels added to it.

usage: large_store.py make DEXTER LF_XMC_FOLDER WORK [--labels N] [--dim N]
       large_store.py measure DEXTER STORE [--add N] [--skip-cold]

`make` writes WORK/store: the labels of the data, and titles of its training part as further labels up to N, with an
encoder trained for a moment. `measure` starts `dexter serve` and `dexter query` with the store's files
dropped from the page cache, as far as the system does it, and again with them there; then it adds labels through
`dexter labels add` and through a server that is killed once it has answered. Prints a line a figure. Changes STORE.
"""
import argparse
import gzip
import itertools
import json
import os
import pathlib
import re
import signal
import subprocess
import sys
import time
import urllib.request

TRAINED = 20_000  # training documents
PART = 250_000  # labels added at once
WORD = re.compile(r"[A-Za-z]{4,}")


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def run(*arguments):
    begin = time.perf_counter()
    done = subprocess.run([str(word) for word in arguments], stdout=subprocess.PIPE, text=True, check=True)
    return time.perf_counter() - begin, done.stdout


def titles(data, count):
    """Texts that differ and say something: every title of the training part, then pairs of them."""
    all_titles = [row["title"] for row in rows(data / "trn.json.gz") if len(WORD.findall(row["title"])) > 1]
    for shift in itertools.count():
        for i, title in enumerate(all_titles):
            if count == 0:
                return
            count -= 1
            yield title if shift == 0 else f"{title} {all_titles[(i + shift) % len(all_titles)]}"


def write_lines(path, lines):
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)


def make(options):
    work, data = options.work, options.data
    work.mkdir(parents=True, exist_ok=True)
    known = [{"id": row["uid"], "name": row["title"], "text": row["title"]} for row in rows(data / "lbl.json.gz")]
    write_lines(work / "labels.jsonl", known)
    write_lines(work / "train.jsonl", (
        {"id": str(i), "text": row["title"], "labels": [known[label]["id"] for label in row["target_ind"]]}
        for i, row in enumerate(itertools.islice(rows(data / "trn.json.gz"), TRAINED))))
    store = work / "store"
    run(options.dexter, "import", "--store", store, "--format", "jsonl", "--train", work / "train.jsonl", "--labels",
        work / "labels.jsonl")
    run(options.dexter, "train", "--store", store, "--preset", "fast", "--set", f"encoder.dim={options.dim}", "--set",
        "train.epochs=1")
    run(options.dexter, "index", "--store", store, "--kind", "flat")
    more = enumerate(titles(data, max(0, options.labels - len(known))))
    while part := [{"id": f"more-{i}", "name": text, "text": text} for i, text in itertools.islice(more, PART)]:
        write_lines(work / "more.jsonl", part)
        run(options.dexter, "labels", "add", "--store", store, "--file", work / "more.jsonl")
    run(options.dexter, "compact", "--store", store)
    print(run(options.dexter, "info", "--store", store)[1])


def drop_from_cache(store):
    os.sync()
    for path in store.rglob("*"):
        if path.is_file():
            with open(path, "rb") as file:
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)


def start(dexter, store):
    """A server, its address, and the seconds until it said that it is ready."""
    begin = time.perf_counter()
    server = subprocess.Popen([dexter, "serve", "--store", store, "--port", "0"], stderr=subprocess.PIPE, text=True)
    for line in server.stderr:
        if match := re.search(r"ready on (http://\S+)", line):
            return server, match[1], time.perf_counter() - begin
    sys.exit("large_store.py: the server did not start")


def ask(url, body, path="/v1/query"):
    request = urllib.request.Request(url + path, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=120) as reply:
        return json.load(reply)


def best_key(url, text):
    return ask(url, {"text": text, "k": 1})["results"][0]["labels"][0]["key"]


def new_labels(prefix, count):
    return [{"id": f"{prefix}-{i}", "key": f"{prefix}-{i}", "name": f"{prefix} {i}", "text": f"{prefix} brass {i}"}
            for i in range(count)]


def is_found(url, label):
    """Among those whose text is as near; numbers are near each other."""
    found = ask(url, {"text": label["text"], "k": 200})["results"][0]["labels"]
    return any(one["key"] == label["key"] for one in found)


def measure_restart(options, cold):
    drop = drop_from_cache if cold else lambda store: None
    title = "cold page cache" if cold else "warm page cache"
    drop(options.store)
    server, url, ready = start(options.dexter, options.store)
    begin = time.perf_counter()
    best_key(url, "rain and snow")
    first = time.perf_counter() - begin
    server.send_signal(signal.SIGTERM)
    server.communicate()
    drop(options.store)
    query, _ = run(options.dexter, "query", "--store", options.store, "-q", "rain and snow")
    print(f"{title}: serve ready {ready:.2f} s, first answer {first:.3f} s, query {query:.2f} s", flush=True)


def measure_added(options):
    labels = new_labels("added", options.add)
    file = options.store.parent / "added.jsonl"
    write_lines(file, ({name: label[name] for name in ("id", "name", "text")} for label in labels))
    seconds, _ = run(options.dexter, "labels", "add", "--store", options.store, "--file", file, "-q")
    print(f"labels add of {options.add}: {seconds:.2f} s", flush=True)
    server, url, ready = start(options.dexter, options.store)
    assert is_found(url, labels[-1]), "a label that was added is not found"
    sent = [{name: label[name] for name in ("key", "name", "text")} for label in new_labels("sent", options.add)]
    begin = time.perf_counter()
    ask(url, {"labels": sent}, "/v1/labels")
    assert is_found(url, sent[-1]), "a label that was sent is not found"
    seconds = time.perf_counter() - begin
    server.kill()
    server.communicate()
    server, url, again = start(options.dexter, options.store)
    assert is_found(url, sent[0]) and is_found(url, sent[-1]), "a label that was acknowledged is lost"
    server.send_signal(signal.SIGTERM)
    server.communicate()
    print(f"POST of {options.add} labels, acknowledged and found: {seconds:.2f} s; ready before {ready:.2f} s, after a "
          f"kill {again:.2f} s", flush=True)


def main():
    parser = argparse.ArgumentParser(formatter_class=argparse.RawDescriptionHelpFormatter, usage=argparse.SUPPRESS,
                                     description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    making = verbs.add_parser("make")
    for name in ("dexter", "data", "work"):
        making.add_argument(name, type=pathlib.Path)
    making.add_argument("--labels", type=int, default=1_300_000)
    making.add_argument("--dim", type=int, default=384)
    measuring = verbs.add_parser("measure")
    for name in ("dexter", "store"):
        measuring.add_argument(name, type=pathlib.Path)
    measuring.add_argument("--add", type=int, default=10_000)
    measuring.add_argument("--skip-cold", action="store_true")
    options = parser.parse_args()
    if options.verb == "make":
        return make(options)
    for cold in (False,) if options.skip_cold else (True, False):
        measure_restart(options, cold)
    if options.add:
        measure_added(options)


if __name__ == "__main__":
    main()
