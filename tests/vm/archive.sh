#!/usr/bin/env bash
# Makes a signed archive of security updates in $1, as Debian's is, with version 1.1 of the package ward-tool; beside it
# version 1.0, the public key of the archive, and what the archive signed ten days ago (InRelease.then).
set -euo pipefail
out=$1 suite=bookworm-security
work=$(mktemp -d)
trap 'gpgconf --homedir "$work/gnupg" --kill all; rm -rf "$work"' EXIT
pool=$out/pool
lists=$out/dists/$suite/main/binary-amd64
mkdir -p "$pool" "$lists"
for version in 1.0 1.1; do
  mkdir -p "$work/$version/DEBIAN"
  printf 'Package: ward-tool\nVersion: %s\nArchitecture: all\nMaintainer: guest\nDescription: an empty package\n' \
    "$version" >"$work/$version/DEBIAN/control"
  dpkg-deb --root-owner-group --build "$work/$version" "$pool" >/dev/null
done
mv "$pool/ward-tool_1.0_all.deb" "$out/"
(cd "$out" && dpkg-scanpackages --multiversion pool 2>/dev/null) >"$lists/Packages"
release() {
  printf 'Origin: Debian\nLabel: Debian-Security\nSuite: stable-security\nCodename: %s\nDate: %s\n' \
    "$suite" "$(date -u -R -d "$1" | sed 's/+0000/UTC/')"
  printf 'Valid-Until: %s\nArchitectures: amd64\nComponents: main\nSHA256:\n' \
    "$(date -u -R -d '+7 days' | sed 's/+0000/UTC/')"
  printf ' %s %s main/binary-amd64/Packages\n' "$(sha256sum <"$lists/Packages" | cut -d' ' -f1)" \
    "$(stat -c %s "$lists/Packages")"
}
mkdir -m 0700 "$work/gnupg"
export GNUPGHOME=$work/gnupg
gpg --batch --quiet --passphrase '' --quick-generate-key archive@guest.test ed25519 sign never 2>/dev/null
release now | gpg --batch --quiet --clearsign >"$out/dists/$suite/InRelease"
release '-10 days' | gpg --batch --quiet --clearsign >"$out/InRelease.then"
gpg --batch --quiet --export >"$out/archive.gpg"
