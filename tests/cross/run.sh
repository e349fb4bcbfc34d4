#!/usr/bin/env bash
# Checks and lints what is not Linux's own for other systems, and runs the tests of the portable crates under Wine.
# Another system's C compiler and libraries are not needed: but for Windows, nothing is linked (see supported-platforms.md).
set -uo pipefail
cd "$(dirname "$0")/../.." || exit 1
here=$PWD/tests/cross
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/cross
scripts/setup.sh cross || exit 1

windows=x86_64-pc-windows-gnu
targets=("$windows" aarch64-apple-darwin aarch64-linux-android)
# platform/linux and the helper for root are Linux's; e2e, bench and the simulated security key start real services and stand-ins for hardware.
# The app, what it asks of a desktop, and its tests want another system's web view: docs/supported-platforms.md.
crates=(--workspace --exclude vitalsign-linux --exclude vitalsign-helper --exclude vitalsign-e2e --exclude vitalsign-demo --exclude vitalsign-bench
  --exclude vitalsign-simulated-key --exclude vitalsign-app --exclude vitalsign-desktop --exclude vitalsign-app-tests)
portable=(vitalsign-protocol vitalsign-agent-core vitalsign-ipc)
# Every program and library; and the tests of what is portable. The others' tests start services and a software TPM.
tests=(--all-targets -p vitalsign-platform-api -p vitalsign-fuzz "${portable[@]/#/-p}")

export CARGO_TARGET_DIR=$cache/target RUSTC=/usr/bin/rustc RUSTDOC=/usr/bin/rustdoc CARGO=/usr/bin/cargo
unset RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER

# Cargo's and cc's variables for a target: its std, and its C compiler.
prepare() {
  local target=$1 mode=check sysroot
  local upper=${target^^} lower=${target//-/_}
  upper=${upper//-/_}
  [ "$target" != "$windows" ] || mode=build
  sysroot=$("$here/std.sh" "$target" "$mode") || return
  export "CARGO_TARGET_${upper}_RUSTFLAGS=--sysroot=$sysroot"
  if [ "$target" = "$windows" ]; then
    export "CARGO_TARGET_${upper}_LINKER=x86_64-w64-mingw32-gcc" "CARGO_TARGET_${upper}_RUNNER=$here/wine"
  else
    export "CC_$lower=$here/cc-check-only" "CXX_$lower=$here/cc-check-only" "AR_$lower=ar" "RANLIB_$lower=true"
    # Apple's builds ask where the SDK is, and look no further.
    [[ $target != *apple* ]] || export SDKROOT=$cache
  fi
}

# A private Wine prefix, with the DLL that Wine 8 lacks.
wine_prefix() {
  export WINEPREFIX=$cache/wine WINEARCH=win64 WINEDEBUG=-all
  local dll=$WINEPREFIX/drive_c/windows/system32/bcryptprimitives.dll
  [ -e "$dll" ] && return
  echo "cross: making a Wine prefix, once" >&2
  wineboot --init </dev/null >/dev/null 2>&1
  wineserver --wait
  x86_64-w64-mingw32-gcc -shared -O2 -Wall -Werror -o "$dll" "$here/bcryptprimitives.c" -ladvapi32
}

check() {
  /usr/bin/cargo check --target "$1" "${crates[@]}" && /usr/bin/cargo check --target "$1" "${tests[@]}"
}

# By its full path: rustup's cargo-clippy, if there is one, belongs to another compiler.
clippy() {
  /usr/bin/cargo-clippy clippy --target "$1" "${crates[@]}" -- -D warnings &&
    /usr/bin/cargo-clippy clippy --target "$1" "${tests[@]}" -- -D warnings
}

passed=0 failed=0
rows=()

# One cell of the table: runs a step, says which, and counts it.
step() {
  local what=$1
  shift
  printf '\n== %s\n' "$what"
  if "$@"; then
    cell=ok passed=$((passed + 1))
  else
    cell=FAILED failed=$((failed + 1))
  fi
}

# The tests of the portable crates under Wine. A crate that did not build or crashed counts as one failure.
run_tests() {
  local log=$cache/wine-tests.log crate good bad
  tests_passed=0 tests_failed=0
  for crate in "${portable[@]}"; do
    printf '\n== %s: tests of %s under Wine\n' "$windows" "$crate"
    /usr/bin/cargo test --no-fail-fast --target "$windows" -p "$crate" --lib --bins --tests 2>&1 | tee "$log"
    local status=${PIPESTATUS[0]}
    read -r good bad < <(awk '/^test result: /{ good += $4; bad += $6 } END { print good + 0, bad + 0 }' "$log")
    [ "$status" = 0 ] || [ "$bad" -gt 0 ] || bad=1
    tests_passed=$((tests_passed + good)) tests_failed=$((tests_failed + bad))
  done
  # The servers of this prefix would hold on to our output.
  wineserver --kill
  passed=$((passed + tests_passed)) failed=$((failed + tests_failed))
}

for target in "${targets[@]}"; do
  if ! prepare "$target"; then
    rows+=("$target|no std|no std|-|-")
    failed=$((failed + 1))
    continue
  fi
  step "$target: check" check "$target"
  check=$cell
  step "$target: clippy" clippy "$target"
  clippy=$cell
  run="not run" outcome=-
  if [ "$target" = "$windows" ]; then
    run=$(wine --version | cut -d" " -f1)
    if wine_prefix; then
      run_tests
      outcome="$tests_passed passed, $tests_failed failed"
    else
      outcome="no Wine prefix" failed=$((failed + 1))
    fi
  fi
  rows+=("$target|$check|$clippy|$run|$outcome")
done

printf '\n%-24s %-8s %-8s %-10s %s\n' target check clippy run tests
for row in "${rows[@]}"; do
  IFS='|' read -r target check clippy run outcome <<<"$row"
  printf '%-24s %-8s %-8s %-10s %s\n' "$target" "$check" "$clippy" "$run" "$outcome"
done
printf '\nchecks, clippys and tests together:\n%d passed, %d failed\n' "$passed" "$failed"
[ "$failed" = 0 ]
