#!/usr/bin/env bash
# Builds what the demonstration needs, and runs it: see demo/src/main.rs. `shell` starts a shell instead.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "building Vitalsign (the first time takes a few minutes)"
packages=(vitalsign-service vitalsign-session vitalsign-verifier vitalsign-simulated-key vitalsign-demo)
# The app, where it can be seen.
if [ -n "${DISPLAY:-}${WAYLAND_DISPLAY:-}" ]; then
  ui/build.sh
  packages+=(vitalsign-app vitalsign-key-window)
fi
"${CARGO:-cargo}" build "${packages[@]/#/-p}"
exec "${CARGO_TARGET_DIR:-target}/debug/vitalsign-demo" "$@"
