# shellcheck shell=bash
# The Debian packages that dexter is built with.

build_packages=(build-essential cmake ninja-build ccache dpkg-dev python3
  librocksdb-dev libspdlog-dev libboost1.81-dev libssl-dev libcli11-dev libutf8proc-dev libxxhash-dev zlib1g-dev liblapack-dev libgloo-dev
  libstemmer-dev prometheus-cpp-dev)
test_packages=(libgtest-dev libgmock-dev libbenchmark-dev clang-format)

is_installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

install_packages() {
  local wanted=("${build_packages[@]}") missing=() package
  [[ $1 == no ]] || wanted+=("${test_packages[@]}")
  command -v dpkg-query >/dev/null ||
    fail "looking for packages: this is not a Debian system; install by other means: ${wanted[*]}"
  # Any pip will do, a virtual environment's too.
  python3 -m pip --version >/dev/null 2>&1 || wanted+=(python3-pip)
  for package in "${wanted[@]}"; do
    is_installed "$package" || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    say "Debian packages: all there"
    return
  fi
  say "Debian packages: installing ${missing[*]}"
  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null || { [[ ! -t 0 ]] && ! sudo --non-interactive true 2>/dev/null; }; then
      fail "installing packages needs root; run this, then tools/setup again:
  apt-get update && apt-get install --no-install-recommends ${missing[*]}"
    fi
    as_root=(sudo)
  fi
  apt_install "${missing[@]}"
}

# Uses as_root of its caller. The lists are fetched only where they are absent or no longer lead to the packages.
apt_install() {
  local install=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Dpkg::Use-Pty=0
    install --yes --no-install-recommends "$@")
  if apt-cache show "$@" >/dev/null 2>&1 && "${install[@]}"; then
    return
  fi
  "${as_root[@]}" apt-get -qq update
  "${install[@]}"
}
