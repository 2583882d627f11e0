#!/usr/bin/env python3
"""What choosing the inputs to solve is worth: `dexter demos choose` (vote-k) against as many random ones.

usage: demos_choice.py --dexter BINARY --data DIR --work DIR [--count 300] [--first 20] [--neighbours 150,20] [-k 8]
                       [--seeds 3] [--train WORD ...]

DIR holds a folder for each task with train.jsonl ({"input", "output", "task"}); nothing else is read. Of each
training part a tenth is asked in the end, and the outputs of the rest are hidden, but for --first random ones. Then
--count more are solved, chosen by vote-k or at random, and the vote of k demonstrations answers. Each is done for
--seeds choices of the first ones. --train adds options of `dexter demos train --epochs 0`, such as those of a
pretrained encoder. Prints mean and standard deviation of the accuracy, percent, and one JSON object. Python's standard
library only.
"""
import json
import os
import statistics
import subprocess
import sys

from task_data import empty, parser_of, place, read, run, training_parts, write


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments

    def path(self, name):
        return os.path.join(self.arguments.work, name)

    def store_of(self, name, rows):
        store = self.path(name)
        empty(store)
        run(self.arguments.dexter, "import", "--store", store, write(self.path(name + ".jsonl"), rows))
        run(self.arguments.dexter, "train", "--store", store, "--epochs", "0", *self.arguments.train)
        return store

    def accuracy(self, name, rows, asked):
        answer = run(self.arguments.dexter, "eval", "--store", self.store_of(name, rows), "--data", asked, "-k",
                     str(self.arguments.k), "--strategy", "dense")
        return answer["accuracy"]

    def chosen(self, store, pool, neighbours):
        done = subprocess.run([self.arguments.dexter, "demos", "choose", "--store", store, "-n",
                               str(self.arguments.count), "--neighbours", str(neighbours), pool],
                              capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return [json.loads(line)["input"] for line in done.stdout.splitlines()]

    def measure(self, task, rows, seed):
        """{way: accuracy} of one task and one choice of the first ones."""
        asked = write(self.path("asked.jsonl"), [row for row in rows if place(row, "asked") < 0.1])
        hidden = sorted((row for row in rows if place(row, "asked") >= 0.1),
                        key=lambda row: place(row, f"seed {seed}"))
        count, first = self.arguments.count, self.arguments.first
        known, pool = hidden[:first], hidden[first:]
        output_of = {row["input"]: row for row in pool}
        unsolved = write(self.path("pool.jsonl"), [{**row, "output": ""} for row in pool])
        store = self.store_of("first", known)
        found = {"random": self.accuracy("random", known + pool[:count], asked)}
        for neighbours in self.arguments.neighbours:
            more = [output_of[text] for text in self.chosen(store, unsolved, neighbours)]
            found[f"vote-k of {neighbours}"] = self.accuracy("chosen", known + more, asked)
        print(f"{task} seed {seed}: {found}", file=sys.stderr)
        return found


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--first", type=int, default=20)
    parser.add_argument("--neighbours", type=lambda text: [int(part) for part in text.split(",")], default=[150, 20])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--train", nargs="*", default=[])
    bench = Bench(parser.parse_args())
    empty(bench.arguments.work)
    results = {}
    for _, rows in training_parts(bench.arguments.data):
        for seed in range(1, bench.arguments.seeds + 1):
            for way, accuracy in bench.measure(rows[0]["task"], rows, seed).items():
                results.setdefault(way, {}).setdefault(rows[0]["task"], []).append(accuracy)
    tasks = list(next(iter(results.values())))
    print("| | " + " | ".join(tasks) + " |\n| --- |" + " --- |" * len(tasks))
    for way, of_task in results.items():
        cells = [f"{statistics.mean(of_task[task]):.1f} ± {statistics.pstdev(of_task[task]):.1f}" for task in tasks]
        print(f"| {way} | " + " | ".join(cells) + " |")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
