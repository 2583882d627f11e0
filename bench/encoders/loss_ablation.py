#!/usr/bin/env python3
"""The ablation of losses: the bag encoder trained with each, judged on held-out training documents.

usage: loss_ablation.py --dexter BINARY --data LF_XMC_FOLDER --work DIR [--documents 12000]
                        [--epochs 2] [--seeds 3] [--losses A,B,C] [--set a.b=c ...]

Takes the first training documents, holds a fifth of them out, trains with `--preset fast` once per loss and
seed, and prints mean and standard deviation of P@1 and P@5 on the held-out part after the last epoch. The test
part is not read. Python's standard library only.
"""
import argparse
import gzip
import itertools
import os
import re
import statistics
import subprocess

EPOCH = re.compile(r"^\s*(\d+)/(\d+)\s+([\d.]+)\s+([\d.]+)\s+([\d.]+)\s", re.MULTILINE)


def run(command):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise SystemExit(f"{' '.join(command)} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


def import_part(options):
    part, store = os.path.join(options.work, "part.json.gz"), os.path.join(options.work, "store")
    with gzip.open(os.path.join(options.data, "trn.json.gz"), "rb") as rows, gzip.open(part, "wb") as out:
        out.writelines(itertools.islice(rows, options.documents))
    run([options.dexter, "import", "--store", store, "--train", part, "--labels",
         os.path.join(options.data, "lbl.json.gz")])
    return store


def trained(options, store, loss, seed):
    settings = ["train.validation_fraction=0.2", "train.patience=0", *options.set]
    output = run([options.dexter, "train", "--store", store, "--preset", "fast", "--loss", loss, "--seed",
                  str(seed), "--epochs", str(options.epochs)] + [a for s in settings for a in ("--set", s)])
    last = [row for row in EPOCH.findall(output) if row[0] == row[1]]
    if len(last) != 1:
        raise SystemExit(f"no last epoch in the output of dexter train:\n{output}")
    return float(last[0][3]), float(last[0][4])


def spread(values):
    mean = f"{statistics.mean(values):.2f}"
    return mean if len(values) < 2 else f"{mean} ± {statistics.stdev(values):.2f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--dexter", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True, help="an empty folder")
    parser.add_argument("--documents", type=int, default=12000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--losses", default="softmax,decoupled_softmax,soft_top_k,in_batch,triplet,"
                        "binary_cross_entropy,pu,mlcd,comic")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    store = import_part(options)
    print(f"{'loss':<20}{'P@1':>14}{'P@5':>14}", flush=True)
    for loss in options.losses.split(","):
        runs = [trained(options, store, loss, seed) for seed in range(1, options.seeds + 1)]
        print(f"{loss:<20}" + "".join(f"{spread(column):>14}" for column in zip(*runs)), flush=True)


if __name__ == "__main__":
    main()
