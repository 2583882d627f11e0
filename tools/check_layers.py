#!/usr/bin/env python3
"""Checks the house's borders; the CTest house.layers runs it.

- Folders include only what lies below them: tools > engine > {encoders, index} > storage.
- Each third-party library stays inside its folder (LIBRARIES). A header that names one is an inner header: no other
  folder includes it, and it is not installed.
- Sources and headers keep to their length; CMake lists name every source and use no glob.
"""

import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BELOW = {
    "storage": set(),
    "index": {"storage"},
    "encoders": {"storage"},
    "engine": {"storage", "index", "encoders"},
    "tools": {"storage", "index", "encoders", "engine"},
}
# Library: how its includes start, and which product files may have them.
LIBRARIES = {
    "RocksDB": (r"rocksdb/", r"storage/\w+\.cc"),
    "FAISS": (r"faiss/", r"index/\w+\.(cc|h)"),
    "CUDA": (r"cuda_runtime", r"index/faiss_gpus\.cc"),
    "LibTorch": (r"(torch|ATen|c10|caffe2)/", r"encoders/\w+\.(cc|h)|tools/threads\.cc"),
    "Boost.Asio and Beast": (r"boost/(asio|beast)", r"engine/http_(client|server|session|stream)\.(cc|h)|tests/fuzz/\w+\.cc"),
    "prometheus-cpp": (r"prometheus/", r"engine/server_metrics\.cc"),
    "OpenSSL": (r"openssl/", r"engine/api_keys\.cc"),
    "Boost.JSON": (r"boost/json", r"(storage|encoders|engine|tools)/\w+\.cc|engine/json_fields\.h"),
    "Boost.Locale": (r"boost/locale/utf\.hpp", r"storage/\w+\.cc"),
    "spdlog": (r"spdlog/", r"\w+/\w+\.cc"),
    "Snowball": (r"libstemmer\.h", r"engine/bm25\.cc"),
    "CLI11": (r"CLI/", r"tools/\w+\.(cc|h)"),
    "utf8proc": (r"utf8proc\.h", r"encoders/\w+\.cc"),
    "xxHash": (r"xxhash\.h|xxh3\.h", r"(storage|encoders)/\w+\.cc"),
    "zlib": (r"zlib\.h", r"storage/\w+\.cc"),
    "GoogleTest": (r"g(test|mock)/", r"tests/.*"),
    "Google Benchmark": (r"benchmark/", r"bench/.*"),
}
# The standard library and the operating system.
SYSTEM = re.compile(r"[a-z_0-9]+|c?[a-z]+\.h|(sys|linux|arpa|netinet)/\w+\.h|immintrin\.h|cxxabi\.h")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^>"]+)[>"]')
CMAKE_GLOB = re.compile(r"\bfile\s*\(\s*GLOB", re.IGNORECASE)


def subject_of(path):
    """The folder whose borders bind a file: tests/index/x.cc is bound like index, but may use a test library."""
    return path.parts[1] if path.parts[0] in ("tests", "bench") else path.parts[0]


def line_limit(path):
    if path.parts[0] in ("tests", "bench"):
        return 500
    return 120 if path.suffix == ".h" else 400


def library_of(include):
    return next((name for name, (start, _) in LIBRARIES.items() if re.match(start, include)), None)


def may_use(path, library):
    allowed = LIBRARIES[library][1]
    if re.fullmatch(allowed, str(path)):
        return True
    # A test or bench may name the library of the folder that it is about; tests/support and tests/fuzz serve all.
    subjects = BELOW if subject_of(path) in ("support", "fuzz") else [subject_of(path)]
    return path.parts[0] in ("tests", "bench") and any(re.fullmatch(allowed, f"{name}/any.cc") for name in subjects)


def own_include_problem(path, include, inner):
    top = Path(include).parts[0]
    if top not in BELOW:
        shared = path.parts[0] in ("tests", "bench") and (path.parts[0] == top or top == "tests")
        return None if shared else f'"{include}" does not start with a folder of the product'
    subject = subject_of(path)
    if path.parts[0] in ("tests", "bench") and subject not in BELOW:
        subject_reach = set(BELOW)
    else:
        subject_reach = BELOW[subject] | {subject}
    if top not in subject_reach:
        return f"{subject} must not include {top}: {include}"
    if include in inner and top != subject and subject != "fuzz":
        return f"{include} is an inner header (it names a third-party library); only {top} includes it"
    return None


def includes(path):
    for number, line in enumerate((ROOT / path).read_text(encoding="utf-8").splitlines(), 1):
        match = INCLUDE.match(line)
        if match:
            yield number, match[1], match[2]


def check_source(path, inner):
    for number, kind, include in includes(path):
        library = library_of(include)
        problem = None
        if library:
            if not may_use(path, library):
                problem = f"{library} may not be included here ({include})"
        elif kind == '"':
            problem = own_include_problem(path, include, inner)
        elif not SYSTEM.fullmatch(include):
            problem = f"<{include}> belongs to no library of the table in tools/check_layers.py"
        if problem:
            yield f"{path}:{number}: {problem}"


def check_length(path):
    lines = len((ROOT / path).read_text(encoding="utf-8").splitlines())
    if lines > line_limit(path):
        yield f"{path}: {lines} lines, at most {line_limit(path)}: split it by subject"


def check_lists(sources):
    """Every .cc is named in a CMakeLists.txt of its own folder."""
    lists = {}
    for path in sorted(ROOT.rglob("CMakeLists.txt")) + sorted(ROOT.glob("tools/cmake/*.cmake")):
        relative = path.relative_to(ROOT)
        if relative.parts[0] == "build":
            continue
        lists[relative.parent] = text = path.read_text(encoding="utf-8")
        if CMAKE_GLOB.search(text):
            yield f"{relative}: file(GLOB): list the sources by name"
    for path in sources:
        if path.suffix == ".cc" and not re.search(rf"(?<![\w/]){re.escape(path.name)}\b", lists.get(path.parent, "")):
            yield f"{path}: named in no {path.parent}/CMakeLists.txt, so nothing builds it"


def check_install(inner):
    text = (ROOT / "tools/cmake/DexterInstall.cmake").read_text(encoding="utf-8")
    for header in re.findall(r"\b\w+/\w+\.h\b", text):
        if header in inner:
            yield f"{header}: installed by tools/cmake/DexterInstall.cmake, but it names a third-party library"


def main():
    folders = [*BELOW, "tests", "bench"]
    sources = sorted(path.relative_to(ROOT) for folder in folders for path in (ROOT / folder).rglob("*")
                     if path.suffix in (".h", ".cc"))
    scripts = sorted(path.relative_to(ROOT) for path in (ROOT / "tools").rglob("*.py"))
    inner = {str(path) for path in sources if path.suffix == ".h" and path.parts[0] in set(BELOW) - {"tools"}
             and any(library_of(include) for _, _, include in includes(path))}
    problems = [problem for path in sources for problem in check_source(path, inner)]
    problems += [problem for path in sources + scripts for problem in check_length(path)]
    problems += [*check_lists(sources), *check_install(inner)]
    print("\n".join(problems) or f"{len(sources)} files keep to the borders")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
