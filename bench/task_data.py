"""What the benches of demonstrations share: folders of tasks, parts of them, runs of dexter. Standard library only.

A folder of tasks holds a folder for each with train.jsonl and test.jsonl, {"input", "output", "task"}.
"""
import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(path, objects):
    with open(path, "w", encoding="utf-8") as out:
        out.writelines(json.dumps(item, ensure_ascii=False) + "\n" for item in objects)
    return path


def place(row, purpose):
    """A number in [0, 1) that is a row's own: the same rows in every run."""
    digest = hashlib.sha256(f"{purpose} {row['task']} {row['input']}".encode()).digest()
    return int.from_bytes(digest[:4], "big") / 2**32


def training_parts(data):
    """(folder, rows) of each task."""
    for name in sorted(os.listdir(data)):
        folder = os.path.join(data, name)
        if os.path.exists(os.path.join(folder, "train.jsonl")):
            yield folder, read(os.path.join(folder, "train.jsonl"))


def run(dexter, *words):
    """The JSON that `dexter demos ...` answers."""
    done = subprocess.run([dexter, "demos", *words, "--json"], capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(done.stderr)
    return json.loads(done.stdout)


def parser_of(text):
    parser = argparse.ArgumentParser(description=text, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dexter", required=True)
    parser.add_argument("--data", required=True, help="folder of tasks")
    parser.add_argument("--work", required=True, help="folder to work in; emptied first")
    parser.add_argument("-k", type=int, default=8)
    return parser


def empty(folder):
    shutil.rmtree(folder, ignore_errors=True)
    os.makedirs(folder)
