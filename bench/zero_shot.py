#!/usr/bin/env python3
"""Zero-shot retrieval: labels hidden from training, added afterwards by their text alone.

usage: zero_shot.py --dexter BINARY --data LF_XMC_FOLDER --work DIR [--hidden 1000] [--seed 1] [--set a.b=c ...]

Hides random labels that have training and test documents (their positives are dropped from training),
trains, adds the labels by text, and reports R@10 of the hidden labels over the test documents that carry
them, beside the run that saw them in training and a BM25 match of the document on label texts.
Prints one JSON object. Python's standard library only.
"""
import argparse
import collections
import gzip
import json
import math
import os
import random
import re
import subprocess

WORD = re.compile(r"\w+", re.UNICODE)


def rows(path):
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        for line in lines:
            yield json.loads(line)


def text_of(row):
    return " ".join((row["title"] + " " + row.get("content", "")).split())


def choose_hidden(data, count, seed):
    trained, tested = set(), set()
    for name, seen in (("trn.json.gz", trained), ("tst.json.gz", tested)):
        for row in rows(os.path.join(data, name)):
            seen.update(row["target_ind"])
    return set(random.Random(seed).sample(sorted(trained & tested), count))


def write_jsonl(path, objects):
    with open(path, "w", encoding="utf-8") as out:
        for item in objects:
            out.write(json.dumps(item, ensure_ascii=False) + "\n")


def documents(data, name, keep):
    for number, row in enumerate(rows(os.path.join(data, name))):
        labels = [str(label) for label in row["target_ind"] if keep(label)]
        if labels:
            yield {"id": str(number), "text": text_of(row), "labels": labels}


class Bm25:
    """Okapi BM25 (k1 = 1.2, b = 0.75) of documents on label texts."""

    def __init__(self, texts):
        self.postings = collections.defaultdict(list)
        lengths = []
        for label, text in enumerate(texts):
            words = WORD.findall(text.lower())
            lengths.append(len(words))
            for word, count in collections.Counter(words).items():
                self.postings[word].append((label, count))
        mean = sum(lengths) / len(lengths)
        self.norm = [1.2 * (0.25 + 0.75 * length / mean) for length in lengths]
        self.total = len(texts)

    def best(self, text, k):
        scores = collections.Counter()
        for word in set(WORD.findall(text.lower())):
            found = self.postings.get(word, ())
            idf = math.log(1 + (self.total - len(found) + 0.5) / (len(found) + 0.5))
            for label, count in found:
                scores[label] += idf * count * 2.2 / (count + self.norm[label])
        return [label for label, _ in sorted(scores.items(), key=lambda pair: (-pair[1], pair[0]))[:k]]


def recall_of_bm25(path, texts):
    index, total, recall = Bm25(texts), 0, 0.0
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            truth = {int(label) for label in row["labels"]}
            recall += len(truth.intersection(index.best(row["text"], 10))) / len(truth)
            total += 1
    return 100 * recall / total


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--dexter", required=True)
    parser.add_argument("--data", required=True)
    parser.add_argument("--work", required=True)
    parser.add_argument("--hidden", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--set", action="append", default=[], metavar="a.b=c")
    options = parser.parse_args()
    os.makedirs(options.work, exist_ok=True)
    path = {name: os.path.join(options.work, name + ".jsonl")
            for name in ("train_hidden", "train_all", "labels_hidden", "labels_seen", "labels_all", "queries")}
    hidden = choose_hidden(options.data, options.hidden, options.seed)
    labels = [{"id": str(i), "name": row["title"], "text": row["title"]}
              for i, row in enumerate(rows(os.path.join(options.data, "lbl.json.gz")))]
    write_jsonl(path["labels_all"], labels)
    write_jsonl(path["labels_hidden"], [label for label in labels if int(label["id"]) in hidden])
    write_jsonl(path["labels_seen"], [label for label in labels if int(label["id"]) not in hidden])
    write_jsonl(path["train_all"], documents(options.data, "trn.json.gz", lambda label: True))
    write_jsonl(path["train_hidden"], documents(options.data, "trn.json.gz", lambda label: label not in hidden))
    write_jsonl(path["queries"], documents(options.data, "tst.json.gz", lambda label: label in hidden))

    def dexter(*arguments):
        done = subprocess.run([options.dexter, *arguments], check=True, stdout=subprocess.PIPE, text=True)
        return done.stdout

    settings = [word for assignment in options.set for word in ("--set", assignment)]

    def recall_of_dexter(store, train, known, added=None):
        dexter("import", "--store", store, "--format", "jsonl", "--train", train, "--labels", known)
        dexter("train", "--store", store, *settings)
        dexter("index", "--store", store)
        if added:
            dexter("labels", "add", "--store", store, "--file", added)
        report = dexter("eval", "--store", store, "--data", path["queries"], "--format", "jsonl", "--json")
        return json.loads(report)["R@10"]

    unseen = recall_of_dexter(os.path.join(options.work, "store_hidden"), path["train_hidden"],
                              path["labels_seen"], path["labels_hidden"])
    seen = recall_of_dexter(os.path.join(options.work, "store_all"), path["train_all"], path["labels_all"])
    with open(path["queries"], encoding="utf-8") as lines:
        queries = sum(1 for _ in lines)
    print(json.dumps({"hidden_labels": len(hidden), "documents": queries, "R@10 hidden, added by text": unseen,
                      "R@10 trained on them": seen,
                      "R@10 BM25 on label texts": round(recall_of_bm25(path["queries"],
                                                                       [label["text"] for label in labels]), 2)}))


if __name__ == "__main__":
    main()
