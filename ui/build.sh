#!/usr/bin/env bash
# Checks the types of the pages and builds them into ui/dist, when they have changed. `ui/build.sh packages` only installs
# what they are made with.
set -euo pipefail
cd "$(dirname "$0")"
PATH=$(../scripts/node.sh):$PATH

sum() { find "$@" -type f -print0 | LC_ALL=C sort -z | xargs -0 sha256sum | sha256sum | cut -c1-32; }

packages=$(sum package.json package-lock.json)
if [ "$(cat node_modules/.complete 2>/dev/null)" != "$packages" ]; then
  npm ci --no-audit --no-fund --loglevel=error
  echo "$packages" >node_modules/.complete
fi
[ "${1:-}" != packages ] || exit 0

sources=$(sum package-lock.json tsconfig.json vite.config.ts index.html src)
if [ ! -e dist/index.html ] || [ "$(cat node_modules/.built 2>/dev/null)" != "$sources" ]; then
  npm run --silent check
  npm run --silent build
  echo "$sources" >node_modules/.built
fi
