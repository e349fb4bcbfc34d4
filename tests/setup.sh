#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks (Debian, Ubuntu). Asks nothing; quick when all is there.
#   tests/setup.sh         for `make test`
#   tests/setup.sh demo    for `make demo` and `make bench`, which need no test runner
#   tests/setup.sh cross   for `make cross`
set -euo pipefail

nextest=0.9.143
deny=0.20.2
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign

# A C compiler and make for aws-lc and SQLite; a software TPM; packet filters and network namespaces to read; a bus to
# ask; OpenSSL as the yardstick of `make bench`.
packages=(gcc libc6-dev make ca-certificates swtpm swtpm-tools nftables iptables iproute2 dbus procps openssl)
# Debian's own Rust, the one that comes with the source of std; a compiler and a place to run for Windows.
[ "${1:-}" != cross ] ||
  packages=(gcc libc6-dev cmake nasm rustc-web cargo-web rust-web-src rust-web-clippy gcc-mingw-w64-x86-64 wine wine64)

missing=()
for package in "${packages[@]}"; do
  state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
  [ "$state" = installed ] || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if ! command -v apt-get >/dev/null; then
    echo "setup: this script installs packages on Debian and Ubuntu only; install these yourself: ${missing[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${missing[*]}" >&2
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
  "${apt[@]}" update >&2
  "${apt[@]}" install -y --no-install-recommends "${missing[@]}" </dev/null >&2
fi

if ! command -v cargo >/dev/null; then
  echo "setup: cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml") or newer" >&2
  exit 1
fi
[ "${1:-}" != demo ] || exit 0
export PATH=$cache/tools/bin:$PATH
tool() {
  command -v "$1" >/dev/null && return
  echo "setup: building $1 $2, once" >&2
  cargo install --locked --root "$cache/tools" --version "$2" "$1" >&2
}
tool cargo-nextest "$nextest"
tool cargo-deny "$deny"
