#!/usr/bin/env python3
"""Retrievers of demonstrations: one for many tasks, one for each, and for tasks they never saw.

usage: demos_tasks.py --dexter BINARY --data DIR --work DIR [--part held-out|test] [-k 8] [--seed 1]
                      [--instruction TASK=TEXT ...] [--set a.b=c ...]

DIR holds a folder for each task with train.jsonl and test.jsonl ({"input", "output", "task"}). The bank has
the training parts of all tasks. Prints the accuracy of the vote of k demonstrations, percent: by BM25, by an
encoder that learnt nothing, by one that learnt all tasks, by one a task, and by one that learnt all tasks but
the one it is asked about. With the part held-out, which is for choosing, a tenth of each training part is
asked and not in the bank. Prints a table, then one JSON object. Python's standard library only.
"""
import json
import os
import sys
import time

from task_data import empty, parser_of, place, read, run, training_parts, write


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = arguments.work
        empty(self.work)
        self.bank, self.asked = {}, {}
        for folder, rows in training_parts(arguments.data):
            task = rows[0]["task"]
            if arguments.part == "test":
                asked = read(os.path.join(folder, "test.jsonl"))
            else:
                asked = [row for row in rows if place(row, "held-out") < 0.1]
                rows = [row for row in rows if place(row, "held-out") >= 0.1]
            self.bank[task] = write(os.path.join(self.work, f"{task}.bank.jsonl"), rows)
            self.asked[task] = write(os.path.join(self.work, f"{task}.asked.jsonl"), asked)

    def run(self, *words):
        return run(self.arguments.dexter, *words)

    def store_of(self, name, tasks):
        store = os.path.join(self.work, name)
        instructions = [word for given in self.arguments.instruction if given.split("=")[0] in tasks
                        for word in ("--instruction", given)]
        self.run("import", "--store", store, *instructions, *(self.bank[task] for task in tasks))
        return store

    def train(self, store, *options):
        settings = [word for given in self.arguments.set for word in ("--set", given)]
        start = time.time()
        self.run("train", "--store", store, "--seed", str(self.arguments.seed), *settings, *options)
        return time.time() - start

    def accuracy(self, store, task, strategy="dense"):
        answer = self.run("eval", "--store", store, "--data", self.asked[task], "-k", str(self.arguments.k),
                          "--strategy", strategy)
        figures = answer["tasks"][task]
        print(f"{store} {task} {strategy}: {figures['accuracy']:.2f}", file=sys.stderr)
        return {"accuracy": figures["accuracy"], "margin": figures["margin"]}

    def measure(self):
        tasks = list(self.bank)
        table, seconds = {}, {}
        store = self.store_of("all", tasks)
        table["BM25"] = {task: self.accuracy(store, task, "bm25") for task in tasks}
        self.train(store, "--epochs", "0")
        table["untrained encoder"] = {task: self.accuracy(store, task) for task in tasks}
        seconds["one for all tasks"] = self.train(store)
        table["one for all tasks"] = {task: self.accuracy(store, task) for task in tasks}
        seconds["one for each task"], each = 0.0, {}
        for task in tasks:
            own = self.store_of(task, [task])
            seconds["one for each task"] += self.train(own)
            each[task] = self.accuracy(own, task)
        table["one for each task"] = each
        left_out = {}
        for task in tasks:
            self.train(store, "--without-task", task)
            left_out[task] = self.accuracy(store, task)
        table["learnt without the task"] = left_out
        return tasks, table, seconds


def show(tasks, table):
    print("| | " + " | ".join(tasks) + " | mean |")
    print("| --- |" + " --- |" * (len(tasks) + 1))
    for name, row in table.items():
        cells = [f"{row[task]['accuracy']:.1f} ±{row[task]['margin']:.1f}" for task in tasks]
        mean = sum(row[task]["accuracy"] for task in tasks) / len(tasks)
        print(f"| {name} | " + " | ".join(cells) + f" | {mean:.1f} |")


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--part", choices=("held-out", "test"), default="held-out")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--instruction", action="append", default=[], metavar="TASK=TEXT")
    parser.add_argument("--set", action="append", default=[])
    bench = Bench(parser.parse_args())
    tasks, table, seconds = bench.measure()
    show(tasks, table)
    print(json.dumps({"part": bench.arguments.part, "accuracy": table, "training_seconds": seconds}))


if __name__ == "__main__":
    main()
