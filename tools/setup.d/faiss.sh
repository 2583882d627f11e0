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

# compile_faiss SCRATCH OPTION...: FAISS of SCRATCH/source with CMake's OPTIONs into SCRATCH/tree. What was compiled
# before it was cut short is not compiled again.
compile_faiss() {
  local scratch=$1
  shift
  # An empty MKL package: the archive takes its BLAS from LibTorch when dexter is linked.
  mkdir -p "$scratch/no-blas"
  touch "$scratch/no-blas/MKLConfig.cmake"
  run_logged "$scratch/log" cmake -S "$scratch/source" -B "$scratch/build" -G Ninja \
    -DCMAKE_BUILD_TYPE=Release -DCMAKE_CXX_FLAGS=-march=x86-64-v3 -DCMAKE_POSITION_INDEPENDENT_CODE=ON \
    -DFAISS_OPT_LEVEL=avx2 -DFAISS_ENABLE_PYTHON=OFF -DBUILD_TESTING=OFF -DMKL_DIR="$scratch/no-blas" "$@"
  run_logged "$scratch/log" cmake --build "$scratch/build" --target faiss_avx2 \
    --parallel "${CMAKE_BUILD_PARALLEL_LEVEL:-$(build_jobs)}"
  mkdir -p "$scratch/tree/lib" "$scratch/tree/include"
  cp "$scratch/build/faiss/libfaiss_avx2.a" "$scratch/tree/lib/"
  cp "$scratch/source/LICENSE" "$scratch/tree/"
  (cd "$scratch/source" && find faiss -name '*.h' -not -path 'faiss/python/*' \
    -exec cp --parents {} "$scratch/tree/include/" \;)
}

build_faiss() {
  local scratch=$1
  fetch_faiss_source "$scratch"
  say "FAISS: compiling"
  compile_faiss "$scratch" -DFAISS_ENABLE_GPU=OFF
  rm -r "$scratch/tree/include/faiss/gpu"
}

# The compiler of CUDA 13, which LibTorch's libraries are of: CMake's CUDACXX, the path's, or the toolkit's; nothing
# where there is none.
cuda_compiler() {
  local compiler
  for compiler in "${CUDACXX:-}" nvcc "${CUDA_HOME:-/usr/local/cuda}/bin/nvcc"; do
    if [[ -n $compiler ]] && "$compiler" --version 2>/dev/null | grep -q 'release 13\.'; then
      command -v "$compiler"
      return
    fi
  done
}

# With the GPU's indexes, for the architectures of $cuda_arch; the tree says for which and by what.
build_faiss_gpu() {
  local scratch=$1 compiler
  compiler=$(cuda_compiler)
  if [[ ! -e $scratch/fetched ]]; then
    rm -rf "${scratch:?}"/*
    fetch_faiss_source "$scratch"
    touch "$scratch/fetched"
  fi
  say "FAISS for GPUs: compiling for sm_${cuda_arch//;/, sm_}"
  # FAISS asks for C++11, CUDA 13's own headers for C++17.
  compile_faiss "$scratch" -DFAISS_ENABLE_GPU=ON -DCMAKE_CUDA_COMPILER="$compiler" \
    "-DCMAKE_CUDA_ARCHITECTURES=$cuda_arch" -DCMAKE_CUDA_STANDARD=17 -DCMAKE_CXX_STANDARD=17
  echo "$cuda_arch" >"$scratch/tree/architectures"
  realpath "$compiler" >"$scratch/tree/compiler"
}

# Brings the GPU's tree where a CUDA compiler is at hand.
make_faiss_gpu() {
  local tree=$DEXTER_CACHE/faiss-gpu-1.7.3 compiler
  compiler=$(cuda_compiler)
  if [[ -z $compiler ]]; then
    say "FAISS for GPUs: left out, no nvcc of CUDA 13 is here (CUDACXX, PATH, /usr/local/cuda); flat indexes are searched on a GPU" \
      "through LibTorch, inverted lists on the processors"
    return
  fi
  take_lock .lock-faiss-gpu # other set-ups need not wait for so long
  if [[ -e $tree/.complete && $(<"$tree/architectures") != "$cuda_arch" ]]; then
    rm "$tree/.complete"
  fi
  make_tree faiss-gpu-1.7.3 build_faiss_gpu "FAISS 1.7.3 for GPUs (compiled by $compiler, 10 to 25 minutes)" resume
}
