#!/usr/bin/env bash
# The app's pages in Chromium, as the real model would have them shown: `test`, or `screenshots` (to target/screenshots).
set -euo pipefail
cd "$(dirname "$0")/.."
ui/build.sh
gallery=$(mktemp)
trap 'rm -f "$gallery"' EXIT
# With what the whole workspace asks of its libraries, as everything else here is built.
cargo build --workspace --example gallery
"${CARGO_TARGET_DIR:-target}/debug/examples/gallery" >"$gallery"
export GALLERY=$gallery
# Not before: a compiler of the system's may lie beside its Node.js.
PATH=$(scripts/node.sh):$PATH
case $1 in
  test) npm --prefix ui test --silent ;;
  screenshots) npm --prefix ui run --silent screenshots -- "$PWD/target/screenshots" ;;
esac
