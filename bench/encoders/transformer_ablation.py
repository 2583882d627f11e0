#!/usr/bin/env python3
"""What options of the transformer's training gain, judged on held-out training documents.

usage: transformer_ablation.py --dexter BINARY --data LF_XMC_FOLDER --weights DIR --work DIR [--documents 20000]
                               [--epochs 1] [--seeds 2] [--ways NAME,NAME] [--seconds S] [--set a.b=c ...]

Takes the first training documents, holds every fifth of them out, fine-tunes the checkpoint in --weights on the rest
once per way and seed (no validation part, the last epoch), and prints mean and standard deviation of P@1, P@5 and PSP@5
on those held out, and the seconds of a training. A way is a row of WAYS: settings of its own. The test part is not
read. Each result is kept in DIR/results.jsonl: a run that was stopped, or that ended after --seconds with exit code 3,
goes on where it was. Python's standard library only.
"""
import argparse
import time

from loss_ablation import MEASURES, print_table, run, settings_of

COMMON = ("train.validation_fraction=0", "train.patience=0", "train.batch=256", "train.negatives=512",
          "train.label_documents=false", "transformer.precision=bfloat16")
WAYS = {
    "as it is": (),
    "pooling=layers": ("transformer.pooling=layers",),
    "pooling=attention": ("transformer.pooling=attention",),
    "towers=separate": ("transformer.towers=separate",),
    "dim=128": ("transformer.dim=128",),
    "projection=128": ("transformer.projection=128",),
    "negatives=2048": ("train.negatives=2048",),
    "all labels stale": ("train.negatives=0", "transformer.stale_labels=true"),
}


def fine_tune(options, store, seed, epochs, settings):
    run(options.dexter, "train", "--store", store, "--encoder", "transformer", "--weights", options.weights, "--epochs",
        str(epochs), "--seed", str(seed), *settings_of((*COMMON, *settings)))


def measured(options, store, settings, seed):
    started = time.monotonic()
    fine_tune(options, store, seed, options.epochs, (*options.set, *settings))
    seconds = time.monotonic() - started
    run(options.dexter, "index", "--store", store)
    figures = run(options.dexter, "eval", "--store", store)
    return {**{measure: figures[measure] for measure in MEASURES}, "seconds": seconds}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    for name in ("dexter", "data", "weights", "work"):
        parser.add_argument(f"--{name}", required=True)
    for name, default in (("documents", 20000), ("epochs", 1), ("seeds", 2)):
        parser.add_argument(f"--{name}", type=int, default=default)
    parser.add_argument("--ways", default=",".join(WAYS), help="of WAYS, in this order")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no training after them")
    parser.add_argument("--set", action="append", default=[])
    options = parser.parse_args()
    for way in options.ways.split(","):
        if way not in WAYS:
            parser.error(f"{way!r} is no way; there are {', '.join(WAYS)}")
    print_table(options, "way", options.ways.split(","), (*MEASURES, "seconds"),
                lambda store, way, seed: measured(options, store, WAYS[way], seed))


if __name__ == "__main__":
    main()
