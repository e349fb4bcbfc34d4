#!/usr/bin/env bash
# Builds the programs as they are shipped, makes their packages, and signs repositories of them for apt and dnf.
#   SIGNING_KEY=ID     the GnuPG key that signs; without it, the repositories are not signed
#   SOURCE_DATE_EPOCH  time of every file in a package [default: that of the last commit]
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/tools/bin:$PATH"
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
out=$(realpath -m target/packages)
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
# The same programs wherever the checkout and the registry lie.
export RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=/vitalsign --remap-path-prefix=${CARGO_HOME:-$HOME/.cargo}=/cargo"
echo "building the agent, the app and the verifier as they are shipped"
cargo build --locked --profile agent -p vitalsign-service -p vitalsign-session -p vitalsign-helper
cargo build --locked --profile app -p vitalsign-app
cargo build --locked --release -p vitalsign-verifier
unset RUSTFLAGS
echo "writing the manual"
VITALSIGN_MANUAL=$out/manual cargo test --locked --quiet --workspace --bins manual_is_complete >/dev/null

programs=$out/programs
rm -rf "$programs" "$out/apt" "$out/dnf"
mkdir -p "$programs" "$out/apt" "$out/dnf"
cp "$target"/agent/{vitalsign,vitalsign-session,vitalsign-helper} "$target/app/vitalsign-app" \
  "$target/release/vitalsign-verifier" "$programs"
desktop-file-validate installers/linux/app/*.desktop
installers/linux/packages.sh --programs "$programs" --manual "$out/manual" "$out/apt" deb
installers/linux/packages.sh --programs "$programs" --manual "$out/manual" "$out/dnf" rpm
lintian --no-tag-display-limit --fail-on error --suppress-tags no-changelog,debian-changelog-file-missing \
  "$out"/apt/*.deb

(
  cd "$out/apt"
  apt-ftparchive packages . >Packages
  gzip -9nk Packages
  apt-ftparchive -o APT::FTPArchive::Release::Origin=Vitalsign -o APT::FTPArchive::Release::Suite=stable release . >Release
)
createrepo_c --quiet --revision "$SOURCE_DATE_EPOCH" "$out/dnf"
if [ -n "${SIGNING_KEY:-}" ]; then
  gpg --batch --yes --local-user "$SIGNING_KEY" --clearsign --output "$out/apt/InRelease" "$out/apt/Release"
  gpg --batch --yes --local-user "$SIGNING_KEY" --armor --detach-sign "$out/dnf/repodata/repomd.xml"
else
  echo "the repositories are not signed: set SIGNING_KEY to the ID of a GnuPG key"
fi
du -h "$out"/apt/*.deb "$out"/dnf/*.rpm
