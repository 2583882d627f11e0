#!/usr/bin/env python3
"""What demonstrations chosen by a retriever are worth to a language model, and what it gains by learning from it.

usage: demos_lm.py --dexter BINARY --data DIR --work DIR --lm-url URL --lm-model NAME [--task NAME ...] [-k 8]
                   [--asked 300] [--inputs 200] [--set a.b=c ...]

DIR holds a folder for each task with train.jsonl ({"input", "output", "task"}); nothing else is read. --asked
inputs of a tenth of each training part are held out; the bank has the other nine. The model takes the most
probable output of the task behind k demonstrations: random ones, BM25's, the nearest by the encoder that learnt
from outputs (dense), and by the same encoder after it learnt from the model's scores for --inputs inputs of each
task. Prints the share of right answers, percent, and what learning from scores gains over the others, with 95 %
intervals (bootstrap over inputs, paired), then one JSON object. Python's standard library only.
"""
import json
import os
import random
import sys
import time

from task_data import empty, parser_of, place, read, run, training_parts, write

RESAMPLES = 10000


def interval(values):
    """(mean, low, high) of a mean of numbers of inputs."""
    chance = random.Random(1)
    means = sorted(sum(chance.choices(values, k=len(values))) / len(values) for _ in range(RESAMPLES))
    return sum(values) / len(values), means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.model = ("--lm-url", arguments.lm_url, "--lm-model", arguments.lm_model)
        self.settings = [word for given in arguments.set for word in ("--set", given)]
        empty(arguments.work)
        self.store = os.path.join(arguments.work, "store")
        banks, self.asked = [], {}
        for _, rows in training_parts(arguments.data):
            task = rows[0]["task"]
            if arguments.task and task not in arguments.task:
                continue
            held_out = sorted((row for row in rows if place(row, "held-out") < 0.1),
                              key=lambda row: place(row, "held-out"))
            bank = [row for row in rows if place(row, "held-out") >= 0.1]
            banks.append(write(os.path.join(arguments.work, f"{task}.bank.jsonl"), bank))
            self.asked[task] = write(os.path.join(arguments.work, f"{task}.asked.jsonl"), held_out[:arguments.asked])
        self.run("import", *banks)

    def run(self, verb, *words):
        return run(self.arguments.dexter, verb, "--store", self.store, *words)

    def right(self, name, strategy):
        """For each task 100 or 0 for each input, in the order of the file."""
        found = {}
        for task, path in self.asked.items():
            answers = os.path.join(self.arguments.work, f"{task}.{name.replace(' ', '-')}.jsonl")
            self.run("eval", "--data", path, "--by", "http", *self.model, *self.settings, "-k", str(self.arguments.k),
                     "--strategy", strategy, "--answers", answers)
            found[task] = [100.0 * (row["answer"] == row["output"]) for row in read(answers)]
            print(f"{name} {task}: {sum(found[task]) / len(found[task]):.1f}", file=sys.stderr)
        return found

    def measure(self):
        table = {"random": self.right("random", "random"), "BM25": self.right("BM25", "bm25")}
        self.run("train")
        table["dense"] = self.right("dense", "dense")
        start = time.time()
        report = self.run("train", "--scorer", "http", *self.model, "--inputs", str(self.arguments.inputs),
                          *self.settings)
        report["wall_seconds"] = time.time() - start
        table["learnt from scores"] = self.right("learnt", "dense")
        return table, report


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--lm-url", required=True)
    parser.add_argument("--lm-model", required=True)
    parser.add_argument("--task", action="append", default=[], help="only this one; may be repeated")
    parser.add_argument("--asked", type=int, default=300)
    parser.add_argument("--inputs", type=int, default=200)
    parser.add_argument("--set", action="append", default=[])
    bench = Bench(parser.parse_args())
    table, report = bench.measure()
    tasks = list(bench.asked)
    learnt = table["learnt from scores"]
    figures = {}
    print("| | " + " | ".join(f"{task} | learning gains" for task in tasks) + " |")
    print("| --- |" + " --- |" * (2 * len(tasks)))
    for name, rows in table.items():
        cells = []
        for task in tasks:
            own = interval(rows[task])
            gain = interval([a - b for a, b in zip(learnt[task], rows[task])])
            figures.setdefault(name, {})[task] = {"accuracy": own, "gain": gain}
            cells.append(f"{own[0]:.1f} ({own[1]:.1f} to {own[2]:.1f})")
            cells.append("" if rows is learnt else f"{gain[0]:+.1f} ({gain[1]:+.1f} to {gain[2]:+.1f})")
        print(f"| {name} | " + " | ".join(cells) + " |")
    print(json.dumps({"figures": figures, "training": report}))


if __name__ == "__main__":
    main()
