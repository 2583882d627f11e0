#!/usr/bin/env python3
"""The ablation of losses: the bag encoder trained with each, judged on held-out training documents.

usage: loss_ablation.py --dexter BINARY --data LF_XMC_FOLDER --work DIR [--documents 60000] [--epochs N] [--seeds 3]
                        [--losses A,B,C] [--seconds S] [--set a.b=c ...]

Takes the first training documents, holds every fifth of them out, trains on the rest once per loss and seed (preset
fast, no validation part, the last epoch), and prints mean and standard deviation of P@1, P@5 and PSP@5 on those held
out. A loss may carry options of its own: soft_top_k:top_k=5. The test part is not read. Each result is kept in
DIR/results.jsonl: a run that was stopped, or that ended after --seconds with exit code 3, goes on where it was.
Python's standard library only.
"""
import argparse
import gzip
import itertools
import json
import os
import statistics
import subprocess
import sys
import time

MEASURES = ("P@1", "P@5", "PSP@5")
HELD_OUT_EVERY = 5


def run(dexter, *arguments):
    done = subprocess.run([dexter, *arguments, "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    if done.returncode != 0:
        raise SystemExit(f"dexter {' '.join(arguments)} ended with {done.returncode}:\n{done.stderr}")
    return json.loads(done.stdout)


def settings_of(settings):
    return [word for setting in settings for word in ("--set", setting)]


def import_part(options):
    """A store of the first training documents whose test part are every fifth of them."""
    store = os.path.join(options.work, f"store-{options.documents}")
    if os.path.exists(store):
        return store
    parts = {name: os.path.join(options.work, f"{name}.json.gz") for name in ("train", "held_out")}
    with gzip.open(os.path.join(options.data, "trn.json.gz"), "rb") as rows, \
            gzip.open(parts["train"], "wb", 1) as train, gzip.open(parts["held_out"], "wb", 1) as held_out:
        for place, row in enumerate(itertools.islice(rows, options.documents)):
            (train if place % HELD_OUT_EVERY else held_out).write(row)
    run(options.dexter, "import", "--store", store, "--train", parts["train"], "--test", parts["held_out"], "--labels",
        os.path.join(options.data, "lbl.json.gz"))
    return store


def measured(options, store, loss, seed):
    name, *own = loss.split(":")
    settings = ["train.validation_fraction=0", "train.patience=0", *(f"loss.{o}" for o in own), *options.set]
    run(options.dexter, "train", "--store", store, "--preset", "fast", "--loss", name, "--seed", str(seed),
        "--epochs", str(options.epochs), *settings_of(settings))
    run(options.dexter, "index", "--store", store)
    figures = run(options.dexter, "eval", "--store", store)
    return {measure: figures[measure] for measure in MEASURES}


def read_results(path):
    if not os.path.exists(path):
        return {}
    with open(path, encoding="utf-8") as lines:
        return {row["run"]: row["result"] for row in map(json.loads, lines)}


def spread(values):
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"


def print_table(options, head, ways, columns, measure):
    """A row per way: mean and deviation over seeds of what measure(store, way, seed) gives; what is known is kept."""
    os.makedirs(options.work, exist_ok=True)
    start, store = time.monotonic(), import_part(options)
    path = os.path.join(options.work, "results.jsonl")
    results = read_results(path)
    key = [options.documents, options.epochs, *options.set]
    print(f"{head:<28}" + "".join(f"{column:>15}" for column in columns), flush=True)
    for way in ways:
        found = []
        for seed in range(1, options.seeds + 1):
            name = json.dumps([way, seed, *key])
            if name not in results:
                if time.monotonic() - start > options.seconds:
                    sys.exit(3)
                results[name] = measure(store, way, seed)
                with open(path, "a", encoding="utf-8") as out:
                    out.write(json.dumps({"run": name, "result": results[name]}) + "\n")
            found.append(results[name])
        print(f"{way:<28}" + "".join(f"{spread([r[c] for r in found]):>15}" for c in columns), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dexter", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--documents", type=int, default=60000)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", default="softmax,decoupled_softmax,soft_top_k,in_batch,triplet,"
                        "binary_cross_entropy,pu,mlcd,comic")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no training after them")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    print_table(options, "loss", options.losses.split(","), MEASURES,
                lambda store, loss, seed: measured(options, store, loss, seed))


if __name__ == "__main__":
    main()
