"""Tests of tools/datasets/debian-packages on a package index and a vocabulary written by hand."""

import importlib.machinery
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ADAPTER = Path(__file__).resolve().parents[2] / "tools/datasets/debian-packages"
INDEX = """\
Package: chess-game
Description: play chess
 at any level
Tag: game::board, use::{gameplaying,learning}

Package: chess-game
Description: an older version of the same package
Tag: game::board

Package: libchess1
Source: chess-game (1.0-2)
Description: chess library
Tag: role::shared-lib,
 special::auto-inst-parts, game::TODO

Package: untagged
Description: no tags

Package: silent
Tag: role::program
"""
VOCABULARY = """\
Facet: game
Description: Games and Amusement
 Long text of the facet.

Tag: game::board
Description: Board
 Chess, draughts
 .
 and the like.

Tag: use::learning
Description: Learning
"""


def load_adapter():
    sys.dont_write_bytecode = True
    loader = importlib.machinery.SourceFileLoader("debian_packages", str(ADAPTER))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader(loader.name, loader))
    loader.exec_module(module)
    return module


class DebianPackages(unittest.TestCase):
    adapter = load_adapter()

    def test_reads_each_tagged_package_once_with_its_short_description(self):
        self.assertEqual(list(self.adapter.documents(INDEX)), [
            ("chess-game", {"id": "chess-game", "text": "play chess",
                            "labels": ["game::board", "use::gameplaying", "use::learning"]}),
            ("chess-game", {"id": "libchess1", "text": "chess library", "labels": ["role::shared-lib"]})])

    def test_explains_a_tag_by_its_facet_and_its_own_text(self):
        self.assertEqual(self.adapter.meanings(VOCABULARY), {
            "game::board": ("Games and Amusement: Board", "Games and Amusement: Board. Chess, draughts and the like."),
            "use::learning": ("Learning", "Learning")})

    def test_makes_an_unexplained_tag_readable(self):
        self.assertEqual(self.adapter.readable("implemented-in::python"), "implemented in: python")
        self.assertEqual(self.adapter.readable("devel::lang:c"), "devel: lang c")

    def test_splits_by_source_package_in_about_the_share_asked_for(self):
        chosen = sum(self.adapter.is_test(f"source-{number}", 10) for number in range(10000))
        self.assertTrue(900 <= chosen <= 1100, chosen)

    def test_writes_three_files_that_name_only_known_labels(self):
        with tempfile.TemporaryDirectory() as scratch:
            work = Path(scratch)
            (work / "index").write_text(INDEX, encoding="utf-8")
            (work / "cache").mkdir()
            (work / "cache/debtags-vocabulary").write_text(VOCABULARY, encoding="utf-8")
            apt = work / "apt-cache"
            apt.write_text(f"#!/bin/sh\nexec cat {work}/index\n", encoding="utf-8")
            apt.chmod(0o755)
            subprocess.run([sys.executable, ADAPTER, "--out", work / "out", "--cache", work / "cache",
                            "--test-percent", "0"], check=True, stdout=subprocess.DEVNULL,
                           env={**os.environ, "PATH": f"{work}:{os.environ['PATH']}"})
            rows = {name: [json.loads(line) for line in (work / "out" / f"{name}.jsonl").read_text().splitlines()]
                    for name in ("train", "test", "labels")}
        self.assertEqual([row["id"] for row in rows["train"]], ["chess-game", "libchess1"])
        self.assertEqual(rows["test"], [])
        self.assertEqual([row["id"] for row in rows["labels"]],
                         ["game::board", "role::shared-lib", "use::gameplaying", "use::learning"])


if __name__ == "__main__":
    unittest.main()
