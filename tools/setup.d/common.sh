# shellcheck shell=bash
# Shared by the scripts of tools/: messages, the cache folder, and trees that appear in it whole or not at all.

export DEXTER_CACHE=${DEXTER_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/dexter}

program=$(basename "$0")

say() { printf '%s: %s\n' "$program" "$*"; }

fail() {
  printf '%s: %s\n' "$program" "$*" >&2
  exit 1
}

check_machine() {
  [[ $(uname -sm) == "Linux x86_64" ]] ||
    fail "checking the machine: dexter is built for Linux on x86_64, this is $(uname -sm)"
  grep -qw avx2 /proc/cpuinfo ||
    fail "checking the machine: the processor lacks AVX2, and every part is compiled for x86-64-v3"
}

# take_lock [FILE]: one set-up at a time per cache folder; the lock goes with the process, or with the next one taken.
take_lock() {
  exec 9>"$DEXTER_CACHE/${1:-.lock}"
  if ! flock --nonblock 9; then
    say "waiting for another set-up that works in $DEXTER_CACHE"
    flock 9
  fi
}

# make_tree NAME FUNCTION TITLE [resume]: runs `FUNCTION SCRATCH`, which leaves the tree in SCRATCH/tree; only then is it
# renamed to $DEXTER_CACHE/NAME, and the stamp inside says that it is whole. With `resume` FUNCTION finds in SCRATCH what
# it left there when it was cut short, else nothing.
make_tree() {
  local name=$1 function=$2 title=$3 cut_short=${4:-}
  local tree=$DEXTER_CACHE/$name scratch=$DEXTER_CACHE/.work-$name started=$SECONDS
  if [[ -e $tree/.complete ]]; then
    say "$title: already there"
    return
  fi
  say "$title"
  [[ $cut_short == resume ]] || rm -rf "$scratch"
  mkdir -p "$scratch"
  "$function" "$scratch"
  touch "$scratch/tree/.complete"
  rm -rf "$tree"
  mv "$scratch/tree" "$tree"
  rm -rf "$scratch"
  say "$name: done in $((SECONDS - started)) s"
}

# Compilers to run at once: one a core, but each may take 2 GB (a unit that includes LibTorch does).
build_jobs() {
  local available_kb cores by_memory
  cores=$(nproc)
  available_kb=$(awk '/^MemAvailable:/ {print $2}' /proc/meminfo)
  by_memory=$((available_kb / 2000000))
  echo $((by_memory < 1 ? 1 : by_memory < cores ? by_memory : cores))
}

# run_logged LOG COMMAND...: quiet when it works; the log's end and its place when it does not.
run_logged() {
  local log=$1
  shift
  if ! "$@" >>"$log" 2>&1; then
    tail -n 25 "$log" >&2
    fail "running '$*' failed; the whole log is $log"
  fi
}
