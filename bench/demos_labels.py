#!/usr/bin/env python3
"""What pseudo-labelled demonstrations are worth: a tenth of the labels kept, the rest told by the bank.

usage: demos_labels.py --dexter BINARY --data DIR --work DIR [--kept 0.1] [--gates 0.4,0.6,0.8] [-k 8]

DIR holds a folder for each task with train.jsonl ({"input", "output", "task"}); nothing else is read. Of each
training part a tenth is asked in the end, --kept of the others keep their label, and the rest is labelled by
`dexter demos label`. For each gate: the share of the labels that it lets through, how many of all labels and of
those are right, and the accuracy of the vote of k demonstrations without and with them, percent. Prints a table
and one JSON object. Python's standard library only.
"""
import json
import os

from task_data import empty, parser_of, place, read, run, training_parts, write

STRATEGIES = ("dense", "hybrid")


def parts_of(rows, kept):
    bank, unlabelled, asked = [], [], []
    for row in rows:
        at = place(row, "labels")
        (asked if at < 0.1 else bank if at < 0.1 + 0.9 * kept else unlabelled).append(row)
    return bank, unlabelled, asked


def measure(arguments):
    banks, unlabelled, asked = [], [], []
    for _, found in training_parts(arguments.data):
        task = found[0]["task"]
        files = [write(os.path.join(arguments.work, f"{task}.{part}.jsonl"), rows)
                 for part, rows in zip(("bank", "unlabelled", "asked"), parts_of(found, arguments.kept))]
        banks.append(files[0])
        unlabelled.append((task, files[1]))
        asked += read(files[2])
    every = write(os.path.join(arguments.work, "asked.jsonl"), asked)
    store = ("--store", os.path.join(arguments.work, "store"))
    run(arguments.dexter, "import", *store, *banks)
    run(arguments.dexter, "train", *store)

    def votes(*options):
        answers = {s: run(arguments.dexter, "eval", *store, "--data", every, "-k", str(arguments.k), "--strategy", s,
                          *options) for s in STRATEGIES}
        return {task: {s: answers[s]["tasks"][task]["accuracy"] for s in STRATEGIES} for task, _ in unlabelled}

    without = votes("--no-pseudo")
    results = []
    for gate in arguments.gates:
        labels = {task: run(arguments.dexter, "label", *store, "--min-confidence", str(gate), path)
                  for task, path in unlabelled}
        results.append({"gate": gate, "labels": labels, "without": without, "with": votes()})
    return results


def main():
    parser = parser_of(__doc__)
    parser.add_argument("--kept", type=float, default=0.1)
    parser.add_argument("--gates", type=lambda text: [float(gate) for gate in text.split(",")], default=[0.4, 0.6, 0.8])
    arguments = parser.parse_args()
    empty(arguments.work)
    results = measure(arguments)
    print("| gate | task | kept | right of all | right of kept | " + " | ".join(STRATEGIES) + " |")
    print("| --- |" + " --- |" * (4 + len(STRATEGIES)))
    for result in results:
        for task, label in result["labels"].items():
            kept = label["added"] + label["replaced"]
            cells = [f"{result['without'][task][s]:.1f} to {result['with'][task][s]:.1f}" for s in STRATEGIES]
            print(f"| {result['gate']} | {task} | {100 * kept / label['inputs']:.0f} | {label['accuracy']:.1f} | "
                  f"{label['accuracy_kept']:.1f} | " + " | ".join(cells) + " |")
    print(json.dumps(results))


if __name__ == "__main__":
    main()
