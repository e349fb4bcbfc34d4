#!/usr/bin/env bash
# Prints the folder of the guest's kernel and its modules: Debian's own, unpacked and not installed, fetched once and kept.
set -euo pipefail
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/vm
mkdir -p "$cache"
# One at a time: tests that run side by side want the same.
exec 9>"$cache/lock"
flock 9

for kept in "$cache"/linux-image-*/done; do
  [ ! -e "$kept" ] || { dirname "$kept"; exit; }
done
newest() { apt-cache depends linux-image-amd64 2>/dev/null | awk '/Depends: linux-image-/ { print $2; exit }'; }
package=$(newest)
if [ -z "$package" ]; then
  root=()
  [ "$(id -u)" = 0 ] || root=(sudo)
  "${root[@]}" apt-get -q -o DPkg::Lock::Timeout=600 update >&2
  package=$(newest)
fi
[ -n "$package" ] || { echo "vm: no package linux-image-amd64 is known here: the guest needs Debian's kernel" >&2; exit 1; }

echo "vm: fetching $package, once" >&2
kernel=$cache/$package
rm -rf "$kernel" && mkdir -p "$kernel/package"
(cd "$kernel/package" && apt-get -q download "$package" >&2)
dpkg-deb -x "$kernel"/package/*.deb "$kernel"
rm -rf "$kernel/package"
depmod -b "$kernel" "${package#linux-image-}"
touch "$kernel/done"
echo "$kernel"
