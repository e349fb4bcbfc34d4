#!/usr/bin/env bash
# Builds what is shipped, measures it, prints one table and writes target/bench/report.json.
# IDLE_SECONDS shortens the five minutes of watching the idle service.
set -euo pipefail
cd "$(dirname "$0")/../.."
export PATH="${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/tools/bin:$PATH"
target=${CARGO_TARGET_DIR:-target}
echo "building the agent and the app as they are shipped (small), and the verifier (fast)"
cargo build --profile agent -p vitalsign-service
cargo build --profile app -p vitalsign-app
cargo build --release -p vitalsign-verifier -p vitalsign-bench -p vitalsign-simulated-key
exec "$target/release/vitalsign-bench" "$target/agent/vitalsign" "$target/release/vitalsign-verifier" \
  "$target/app/vitalsign-app" "${BENCH_REPORT:-target/bench/report.json}" "${IDLE_SECONDS:-300}"
