#!/usr/bin/env python3
"""Compares dexter's WordPiece ids with those of the PyPI package `tokenizers`, text by text.

usage: wordpiece_compare.py --ids BINARY --tokenizer tokenizer.json [--titles trn.json.gz] [--count 100000] [--venv DIR]

BINARY is tests/encoders/wordpiece_ids of a build. Half of the texts are titles (where given), the others are made from
a fixed seed: every Unicode plane, marks on marks, Chinese, controls, very long words, special tokens. Every code point
is asked about, too. The package is installed into a virtual environment of its own. Exit code 1 on any difference.
"""
import argparse
import gzip
import json
import os
import random
import subprocess
import sys
import venv

WORDS = ["the", "naïve", "Ångström", "STRASSE", "ΣΊΣΥΦΟΣ", "İstanbul", "중국어", "日本語", "مرحبا", "हिन्दी", "don't", "e-mail",
         "[CLS]", "[SEP]", "[MASK]", "[PAD]", "[UNK]", "[sep]", "##ing", "a" * 99, "b" * 100, "c" * 101, "é" * 150, "🙂", "ﬁn"]
RANGES = [(0x20, 0x7E), (0x00, 0x9F), (0xA0, 0x24F), (0x300, 0x36F), (0x370, 0x6FF), (0x700, 0x1FFF), (0x2000, 0x2BFF),
          (0x3000, 0x30FF), (0x3400, 0x9FFF), (0xAC00, 0xD7A3), (0xF900, 0xFFFF), (0x10000, 0x1FFFF), (0x20000, 0x2FFFF),
          (0x30000, 0x3FFFF), (0xE0000, 0xE01FF), (0xF0000, 0x10FFFF), (0x1D165, 0x1D172), (0x1AB0, 0x1ACE)]


def character(random_source):
    while True:
        code = random_source.randint(*random_source.choice(RANGES))
        if not 0xD800 <= code < 0xE000:
            return chr(code)


def adversarial(random_source):
    parts = []
    for _ in range(random_source.randint(0, 12)):
        if random_source.random() < 0.4:
            parts.append(random_source.choice(WORDS))
        else:
            parts.append("".join(character(random_source) for _ in range(random_source.randint(1, 6))))
        if random_source.random() < 0.5:
            parts.append(random_source.choice([" ", "  ", "\t", "\n", "\u00a0", "\u2028", ".", ""]))
    return "".join(parts)


def texts(options):
    source = random.Random(7)
    made = []
    if options.titles:
        with gzip.open(options.titles, "rt", encoding="utf-8") as lines:
            for line in lines:
                made.append(json.loads(line)["title"])
                if len(made) == options.count // 2:
                    break
    while len(made) < options.count:
        made.append(adversarial(source))
    made += [f"a{chr(code)}b" for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    return made


def in_environment(folder):
    """Starts this script again with a Python that has `tokenizers`."""
    python = os.path.join(folder, "bin", "python")
    if not os.path.exists(python):
        venv.create(folder, with_pip=True)
        subprocess.run([python, "-m", "pip", "--quiet", "install", "tokenizers==0.23.3"], check=True)
    os.execv(python, [python, *sys.argv])


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", required=True)
    parser.add_argument("--tokenizer", required=True)
    parser.add_argument("--titles")
    parser.add_argument("--count", type=int, default=100_000)
    cache = os.environ.get("DEXTER_CACHE", os.path.expanduser("~/.cache/dexter"))
    parser.add_argument("--venv", default=os.path.join(cache, "tokenizers-venv"))
    options = parser.parse_args()
    try:
        from tokenizers import Tokenizer
    except ImportError:
        in_environment(options.venv)
    reference = Tokenizer.from_file(options.tokenizer)
    reference.no_truncation()
    reference.no_padding()
    asked = texts(options)
    lines = "\n".join(text.encode().hex() for text in asked) + "\n"
    done = subprocess.run([options.ids, options.tokenizer], input=lines, stdout=subprocess.PIPE, check=True, text=True)
    differences = 0
    for text, line in zip(asked, done.stdout.splitlines(), strict=True):
        found = [int(number) for number in line.split()]
        expected = reference.encode(text).ids
        if found != expected:
            differences += 1
            if differences <= 20:
                print(f"{ascii(text)}: {found}, but {expected} is right")
    print(f"{len(asked)} texts, {differences} with other ids")
    return 1 if differences else 0


if __name__ == "__main__":
    sys.exit(main())
