#!/usr/bin/env python3
"""What texts without labels, mixing by gradient alignment, free vectors of labels, and a teacher add to the bag
encoder's training.

usage: stage_ablation.py --dexter BINARY --data LF_XMC_FOLDER --work DIR [--documents 60000] [--labelled 10000]
                         [--epochs 4] [--pretrain-epochs 2] [--seeds 3] [--part labels|mixing|free_vectors|teacher]
                         [--weights DIR] [--set a.b=c ...]

Takes the first training documents and holds every fifth of them out. Part `labels`: --labelled of the others keep their
labels, the rest are texts; trained on the former alone, then with the latter's guessed labels beside them, and before
them. Part `mixing`: trained on all the others as they are, and aligned with rare labels, a twentieth of them aside.
Part `free_vectors`: trained on all the others, labels with and without a vector of their own, and one that eight share.
Part `teacher`, with --weights: the transformer checkpoint there fine-tuned on all the others for one epoch, the bag alone,
and taught by that transformer.
Prints mean and standard deviation over seeds of P@1, P@5 and PSP@5 on the documents held out, and of R@5 of labels with
1 to 5 and 6 to 50 training documents. The test part is not read. Preset fast, the last epoch. Python's standard library
only.
"""
import argparse
import gzip
import itertools
import json
import os
import shutil

from loss_ablation import HELD_OUT_EVERY, MEASURES, run, settings_of, spread
from transformer_ablation import fine_tune

BANDS = ("1-5", "6-50")


def write_parts(options):
    """Files of the labelled, the held-out and all training rows, and the texts of those between."""
    parts = {name: os.path.join(options.work, name) for name in ("labelled.json.gz", "held_out.json.gz", "all.json.gz",
                                                                "texts.txt.gz")}
    opened = {name: gzip.open(path, "wb", 1) for name, path in parts.items()}
    left = options.labelled
    with gzip.open(os.path.join(options.data, "trn.json.gz"), "rb") as rows:
        for place, row in enumerate(itertools.islice(rows, options.documents)):
            if place % HELD_OUT_EVERY == 0:
                opened["held_out.json.gz"].write(row)
                continue
            opened["all.json.gz"].write(row)
            if left > 0:
                opened["labelled.json.gz"].write(row)
            else:
                opened["texts.txt.gz"].write(json.loads(row)["title"].encode() + b"\n")
            left -= 1
    for part in opened.values():
        part.close()
    return parts


def import_rows(options, parts, name):
    store = os.path.join(options.work, f"store-{name}")
    run(options.dexter, "import", "--replace", "--store", store, "--train", parts[f"{name}.json.gz"], "--test",
        parts["held_out.json.gz"], "--labels", os.path.join(options.data, "lbl.json.gz"))
    return store


def train(options, store, seed, *arguments):
    settings = ["train.patience=0", *options.set]
    return run(options.dexter, "train", "--store", store, "--preset", "fast", "--epochs", str(options.epochs), "--seed",
               str(seed), *settings_of(settings), *arguments)


def measured(options, store):
    run(options.dexter, "index", "--store", store)
    figures = run(options.dexter, "eval", "--store", store)
    return [figures[measure] for measure in MEASURES] + [figures["bands"][band]["R@5"] for band in BANDS]


def labels_part(options, parts):
    store = import_rows(options, parts, "labelled")
    found = {"labelled documents alone": [], "guessed labels beside": [], "guessed labels before": []}
    for seed in range(1, options.seeds + 1):
        none = ("--set", "train.validation_fraction=0.02")
        train(options, store, seed, *none)
        found["labelled documents alone"].append(measured(options, store))
        texts = ("--unlabelled", parts["texts.txt.gz"], *none)
        stage = ("--set", f"train.pretrain_epochs={options.pretrain_epochs}")
        for name, more in (("guessed labels beside", ()), ("guessed labels before", stage)):
            train(options, store, seed, *none)  # the encoder that guesses
            report = train(options, store, seed, *texts, *more)["self_train"]
            found[name].append(measured(options, store))
        print(f"seed {seed}: {report['taken']} of {report['read']} texts taken, {report['validation_precision']:.1f} % of "
              "such labels right", flush=True)
    return found


def mixing_part(options, parts):
    store = import_rows(options, parts, "all")
    found = {"as_is": [], "aligned": []}
    for seed in range(1, options.seeds + 1):
        for name, results in found.items():
            report = train(options, store, seed, "--set", "train.validation_fraction=0.05", "--set",
                           f"train.mixing={name}")
            results.append(measured(options, store))
        print(f"seed {seed}: shares at the end {report['history'][-1]['band_shares']}", flush=True)
    return found


def free_vectors_part(options, parts):
    store = import_rows(options, parts, "all")
    ways = {"text alone": (False, 0), "shared by 8 labels": (False, 8), "own": (True, 0), "own and shared": (True, 8)}
    found = {name: [] for name in ways}
    for seed in range(1, options.seeds + 1):
        for name, (own, cluster) in ways.items():
            train(options, store, seed, "--set", f"train.free_vectors={str(own).lower()}", "--set",
                  f"train.free_cluster={cluster}")
            found[name].append(measured(options, store))
        print(f"seed {seed} of {options.seeds}", flush=True)
    return found


def teacher_part(options, parts):
    store = import_rows(options, parts, "all")
    teacher = os.path.join(options.work, "store-teacher")
    shutil.rmtree(teacher, ignore_errors=True)
    shutil.copytree(store, teacher)
    found = {"transformer": [], "bag alone": [], "bag taught by it": []}
    none = ("--set", "train.validation_fraction=0")
    for seed in range(1, options.seeds + 1):
        fine_tune(options, teacher, seed, 1, ())
        found["transformer"].append(measured(options, teacher))
        for name, more in (("bag alone", ()), ("bag taught by it", ("--teacher", teacher))):
            train(options, store, seed, *none, *more)
            found[name].append(measured(options, store))
        print(f"seed {seed} of {options.seeds}", flush=True)
    return found


PARTS = {"labels": labels_part, "mixing": mixing_part, "free_vectors": free_vectors_part, "teacher": teacher_part}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("dexter", "data", "work"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("documents", 60000), ("labelled", 10000), ("epochs", 4), ("pretrain-epochs", 2), ("seeds", 3)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--part", choices=PARTS, action="append")
    parser.add_argument("--weights", help="of a transformer")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    wanted = options.part or [name for name in PARTS if name != "teacher" or options.weights]
    if "teacher" in wanted and not options.weights:
        parser.error("part teacher needs --weights")
    os.makedirs(options.work, exist_ok=True)
    parts = write_parts(options)
    for part in wanted:
        found = PARTS[part](options, parts)
        heads = (*MEASURES, *(f"R@5 of {band}" for band in BANDS))
        print(f"{'':<26}" + "".join(f"{head:>15}" for head in heads))
        for name, rows in found.items():
            print(f"{name:<26}" + "".join(f"{spread(values):>15}" for values in zip(*rows)), flush=True)


if __name__ == "__main__":
    main()
