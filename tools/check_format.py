#!/usr/bin/env python3
"""Checks the layout of every C++ file with clang-format 14; --fix rewrites the files. The CTest house.format runs it.

Exit status: 0 in order, 1 not in order, 77 skipped because clang-format 14 is not here.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FOLDERS = ["storage", "index", "encoders", "engine", "tools", "tests", "bench"]


def find_clang_format():
    """Other versions lay some lines out differently."""
    for name in ("clang-format-14", "clang-format"):
        program = shutil.which(name)
        if program and re.search(r"version 14\.", subprocess.check_output([program, "--version"], text=True)):
            return program
    return None


def main():
    program = find_clang_format()
    if program is None:
        print("skipped: clang-format 14 is not installed (tools/setup --tests installs it)")
        return 77
    sources = [path for folder in FOLDERS for path in sorted((ROOT / folder).rglob("*")) if path.suffix in (".h", ".cc")]
    mode = ["-i"] if "--fix" in sys.argv[1:] else ["--dry-run", "-Werror"]
    done = subprocess.run([program, *mode, *map(str, sources)], check=False)
    print(f"{len(sources)} files looked at" if done.returncode == 0 else "tools/check_format.py --fix mends these")
    return 1 if done.returncode else 0


if __name__ == "__main__":
    sys.exit(main())
