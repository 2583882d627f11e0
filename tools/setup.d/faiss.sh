# shellcheck shell=bash
# FAISS: Debian's own build is SSE code, four times too slow; the same source is compiled here for AVX2.

# Writes the machine's Debian sources as deb-src into folder $1, so that the user's apt stays as it is.
# Knows both forms: one-line .list files and deb822 .sources files; other repositories are left out.
write_source_list() {
  local folder=$1 codename
  codename=$(. /etc/os-release && printf '%s' "$VERSION_CODENAME")
  python3 - "$folder" "$codename" <<'PYTHON'
import pathlib
import re
import sys

folder, codename = pathlib.Path(sys.argv[1]), sys.argv[2]
folder.mkdir(parents=True)
parts = pathlib.Path("/etc/apt/sources.list.d")
found = 0
for path in [pathlib.Path("/etc/apt/sources.list"), *sorted(parts.glob("*.list"))]:
    lines = path.read_text().splitlines() if path.exists() else []
    # deb [options] URI SUITE COMPONENTS
    kept = [re.sub(r"^deb\s", "deb-src ", line) for line in map(str.strip, lines)
            if re.match(rf"deb\s+(\[[^]]*\]\s+)?\S+\s+{codename}\s+.*\bmain\b", line)]
    if kept:
        (folder / f"{path.stem}.list").write_text("\n".join(kept) + "\n")
        found += len(kept)
for path in sorted(parts.glob("*.sources")):
    stanzas = re.split(r"\n\s*\n", path.read_text())
    kept = [re.sub(r"(?m)^Types:.*$", "Types: deb-src", stanza) for stanza in stanzas
            if re.search(rf"(?m)^Suites:(.*\s)?{codename}(\s|$)", stanza)
            and re.search(r"(?m)^Components:.*\bmain\b", stanza)]
    if kept:
        (folder / path.name).write_text("\n\n".join(kept) + "\n")
        found += len(kept)
sys.exit(0 if found else f"setup: no Debian repository of {codename} in /etc/apt/sources.list*")
PYTHON
}

fetch_faiss_source() {
  local scratch=$1
  write_source_list "$scratch/apt/parts"
  mkdir -p "$scratch/apt/lists/partial" "$scratch/apt/cache/archives/partial" "$scratch/download"
  local apt=(apt-get -qq -o Dir::Etc::SourceList=/dev/null -o "Dir::Etc::SourceParts=$scratch/apt/parts"
    -o "Dir::State::Lists=$scratch/apt/lists" -o "Dir::Cache=$scratch/apt/cache" -o APT::Sandbox::User=root)
  run_logged "$scratch/log" "${apt[@]}" update
  (cd "$scratch/download" && run_logged "$scratch/log" "${apt[@]}" source --download-only faiss)
  run_logged "$scratch/log" dpkg-source --no-check --extract "$scratch"/download/faiss_*.dsc "$scratch/source"
  grep -q 'VERSION 1\.7\.3$' "$scratch/source/CMakeLists.txt" ||
    fail "fetching FAISS: the distribution has $(basename "$scratch"/download/*.dsc), dexter needs 1.7.3 (Debian 12)"
}

build_faiss() {
  local scratch=$1
  fetch_faiss_source "$scratch"
  say "FAISS: compiling"
  # An empty MKL package: the archive takes its BLAS from LibTorch when dexter is linked.
  mkdir "$scratch/no-blas"
  touch "$scratch/no-blas/MKLConfig.cmake"
  run_logged "$scratch/log" cmake -S "$scratch/source" -B "$scratch/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-march=x86-64-v3 -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DFAISS_OPT_LEVEL=avx2 -DFAISS_ENABLE_GPU=OFF -DFAISS_ENABLE_PYTHON=OFF -DBUILD_TESTING=OFF \
    -DMKL_DIR="$scratch/no-blas"
  run_logged "$scratch/log" ninja -C "$scratch/build" faiss_avx2
  mkdir -p "$scratch/tree/lib" "$scratch/tree/include"
  cp "$scratch/build/faiss/libfaiss_avx2.a" "$scratch/tree/lib/"
  cp "$scratch/source/LICENSE" "$scratch/tree/"
  (cd "$scratch/source" && find faiss -name '*.h' -not -path 'faiss/gpu/*' -not -path 'faiss/python/*' \
    -exec cp --parents {} "$scratch/tree/include/" \;)
}
