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
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import time


def rows(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(path, objects):
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
    return path


def held_out(row, share=0.1):
    """Whether a row is of the part held out: the same rows in every run."""
    digest = hashlib.sha256(f"held-out {row['task']} {row['input']}".encode()).digest()
    return int.from_bytes(digest[:4], "big") < share * 2**32


class Bench:
    def __init__(self, arguments):
        self.arguments = arguments
        self.work = arguments.work
        shutil.rmtree(self.work, ignore_errors=True)
        os.makedirs(self.work)
        self.bank, self.asked = {}, {}
        for name in sorted(os.listdir(arguments.data)):
            train = os.path.join(arguments.data, name, "train.jsonl")
            if not os.path.exists(train):
                continue
            found = rows(train)
            task = found[0]["task"]
            if arguments.part == "test":
                asked = rows(os.path.join(arguments.data, name, "test.jsonl"))
            else:
                asked = [row for row in found if held_out(row)]
                found = [row for row in found if not held_out(row)]
            self.bank[task] = write(os.path.join(self.work, f"{task}.bank.jsonl"), found)
            self.asked[task] = write(os.path.join(self.work, f"{task}.asked.jsonl"), asked)

    def run(self, *words):
        done = subprocess.run([self.arguments.dexter, *words, "--json"], capture_output=True, text=True)
        if done.returncode != 0:
            sys.exit(done.stderr)
        return json.loads(done.stdout)

    def store_of(self, name, tasks):
        store = os.path.join(self.work, name)
        instructions = [word for given in self.arguments.instruction if given.split("=")[0] in tasks
                        for word in ("--instruction", given)]
        self.run("demos", "import", "--store", store, *instructions, *(self.bank[task] for task in tasks))
        return store

    def train(self, store, *options):
        settings = [word for given in self.arguments.set for word in ("--set", given)]
        start = time.time()
        self.run("demos", "train", "--store", store, "--seed", str(self.arguments.seed), *settings, *options)
        return time.time() - start

    def accuracy(self, store, task, strategy="dense"):
        answer = self.run("demos", "eval", "--store", store, "--data", self.asked[task], "-k", str(self.arguments.k),
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dexter", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True, help="folder to work in; emptied first")
    parser.add_argument("--part", choices=("held-out", "test"), default="held-out")
    parser.add_argument("-k", type=int, default=8)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--instruction", action="append", default=[], metavar="TASK=TEXT")
    parser.add_argument("--set", action="append", default=[])
    bench = Bench(parser.parse_args())
    tasks, table, seconds = bench.measure()
    show(tasks, table)
    print(json.dumps({"part": bench.arguments.part, "accuracy": table, "training_seconds": seconds}))


if __name__ == "__main__":
    main()
