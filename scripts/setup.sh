#!/usr/bin/env bash
# Installs what building and testing need and this machine lacks (Debian, Ubuntu). Asks nothing; quick when all is there.
#   scripts/setup.sh         for `make test`
#   scripts/setup.sh demo    for `make demo`, which needs no test runner, and the app only where there is a display
#   scripts/setup.sh bench   for `make bench`
#   scripts/setup.sh cross   for `make cross`
#   scripts/setup.sh packages  for `make packages`
set -euo pipefail

nextest=0.9.143
deny=0.20.2
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign

# A C compiler and make for aws-lc and SQLite; a software TPM; packet filters and network namespaces to read; a bus to
# ask; systemd, which also runs where it did not boot the system; OpenSSL as the yardstick of `make bench`. For security
# keys: USB, Bluetooth and smart cards; libclang for the simulated one, and the virtual reader that it lies in.
packages=(gcc libc6-dev make ca-certificates swtpm swtpm-tools nftables iptables iproute2 dbus systemd procps openssl
  pkg-config libudev-dev libdbus-1-dev libpcsclite-dev libclang-dev pcscd vsmartcard-vpcd)
# The app: its web view and its tray, and what its pages are made with.
app=(libwebkit2gtk-4.1-dev libayatana-appindicator3-dev python3 python3-venv)
# A private display with a window manager (Xorg's driver without hardware has several monitors), and the web view's driver.
display=(xvfb xserver-xorg-core xserver-xorg-video-dummy openbox icewm xdotool x11-utils xterm imagemagick webkit2gtk-driver
  fonts-dejavu-core fonts-noto-core fonts-droid-fallback)
case ${1:-} in
  demo) [ -z "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ] || packages+=("${app[@]}") ;;
  *) packages+=("${app[@]}" "${display[@]}") ;;
esac
# Other makers' clients of security keys, to try ours against.
if [ $# = 0 ]; then
  packages+=(python3 python3-venv python3-pyscard)
  # The client of docs/integrate.md.
  packages+=(curl)
  # A reverse proxy in front of the verifier; its package starts without a listener. Settings of a desktop session.
  packages+=(haproxy dconf-cli dconf-service gsettings-desktop-schemas libglib2.0-bin)
  # Packages are made and installed.
  packages+=(dpkg-dev rpm)
  # A kernel in a virtual machine, which accepts USB devices over the network and encrypts disks: tests/vm.
  packages+=(qemu-system-x86 busybox-static kmod cpio dmsetup e2fsprogs)
  # A whole guest: its disks are made from Debian's packages, and it boots by UEFI.
  packages+=(mmdebstrap debian-archive-keyring ovmf qemu-utils cryptsetup-bin mtools dosfstools fdisk
    gpg gpg-agent)
  # Ubuntu has its browser under other names.
  # shellcheck source=/dev/null
  case $(. /etc/os-release && echo "${ID:-}") in
    ubuntu) packages+=(chromium-browser chromium-chromedriver) ;;
    *) packages+=(chromium chromium-driver) ;;
  esac
fi
# Packages for apt and dnf, their repositories, and what checks them.
[ "${1:-}" != packages ] || packages+=(dpkg-dev rpm apt-utils createrepo-c desktop-file-utils appstream lintian)
# Debian's own Rust, the one that comes with the source of std; a compiler and a place to run for Windows.
[ "${1:-}" != cross ] ||
  packages=(gcc libc6-dev cmake nasm rustc-web cargo-web rust-web-src rust-web-clippy gcc-mingw-w64-x86-64 wine wine64)

missing() {
  local package state
  for package in "${packages[@]}"; do
    state=$(dpkg-query -W -f='${db:Status-Status}' "$package" 2>/dev/null || true)
    [ "$state" = installed ] || echo "$package"
  done
}
# A package from elsewhere, such as backports, may be removed when another is installed, and then is missing itself.
for _ in 1 2 3; do
  mapfile -t lacking < <(missing)
  [ ${#lacking[@]} -gt 0 ] || break
  if ! command -v apt-get >/dev/null; then
    echo "setup: this script installs packages on Debian and Ubuntu only; install these yourself: ${lacking[*]}" >&2
    exit 1
  fi
  echo "setup: installing ${lacking[*]}" >&2
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  apt=("${root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -q -o DPkg::Lock::Timeout=600)
  "${apt[@]}" update >&2
  "${apt[@]}" install -y --no-install-recommends "${lacking[@]}" </dev/null >&2
done
mapfile -t lacking < <(missing)
if [ ${#lacking[@]} -gt 0 ]; then
  echo "setup: other packages on this machine conflict with these; install them yourself: ${lacking[*]}" >&2
  exit 1
fi

if ! command -v cargo >/dev/null; then
  echo "setup: cargo is missing: install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' "$(dirname "$0")/../Cargo.toml") or newer" >&2
  exit 1
fi
[ $# = 0 ] || exit 0
export PATH=$cache/tools/bin:$PATH
tool() {
  command -v "$1" >/dev/null && return
  echo "setup: building $1 $2, once" >&2
  cargo install --locked --root "$cache/tools" --version "$2" "$1" >&2
}
tool cargo-nextest "$nextest"
tool cargo-deny "$deny"

# A separate folder for each list of versions.
peers=$(dirname "$0")/../tests/peers
environment() {
  local requirements=$1 python
  python=$cache/python/$(sha256sum "$requirements" | cut -c1-16)
  [ ! -e "$python/complete" ] || return 0
  echo "setup: installing the Python packages of $requirements, once" >&2
  rm -rf "$python"
  /usr/bin/python3 -m venv "${@:2}" "$python"
  "$python/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements" >&2
  touch "$python/complete"
}
# Uses the system's Python, for which pyscard is built.
environment "$peers/requirements.txt" --system-site-packages
environment "$peers/oidc/requirements.txt"
lock=$(sha256sum "$peers/oidc/package-lock.json" | cut -c1-16)
if [ "$(cat "$peers/oidc/node_modules/.complete" 2>/dev/null)" != "$lock" ]; then
  echo "setup: installing openid-client, once" >&2
  node=$("$(dirname "$0")/node.sh")
  PATH=$node:$PATH npm --prefix "$peers/oidc" ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  echo "$lock" >"$peers/oidc/node_modules/.complete"
fi
"$(dirname "$0")/../tests/vm/kernel.sh" >/dev/null
"$(dirname "$0")/../tests/vm/image.sh" >/dev/null
