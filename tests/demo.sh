#!/usr/bin/env bash
# Builds what the demonstration needs, and shows it: see tests/e2e/src/demo/main.rs.
set -euo pipefail
cd "$(dirname "$0")/.."
echo "building Vitalsign (the first time takes a few minutes)"
cargo build -p vitalsign -p vitalsign-session -p vitalsign-verifier -p vitalsign-simulated-key -p vitalsign-e2e
exec "${CARGO_TARGET_DIR:-target}/debug/vitalsign-demo"
