#!/usr/bin/env bash
# std.sh TARGET build|check: Rust's std for TARGET, from the source that Debian ships with its rustc. `check` makes what
# type-checking needs; `build` what linking needs too. Prints the sysroot. Made once for each version of compiler and
# script: the result is moved into its place whole, so a run that was stopped leaves nothing half made.
set -euo pipefail
target=$1 mode=$2
store=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/cross/std
version=$(dpkg-query -W -f='${Version}' rustc-web)
recipe=$(sha256sum "$0" | cut -c1-12)
sysroot=$store/${version//[^A-Za-z0-9.+-]/_}-$recipe/$target-$mode
if [ -d "$sysroot" ]; then
  echo "$sysroot"
  exit
fi

echo "cross: making std for $target ($mode), once; about a minute" >&2
mkdir -p "$store" "$(dirname "$sysroot")"
work=$(mktemp -d "$store/work.XXXXXX")
trap 'rm -rf "$work"' EXIT
mkdir "$work/src"
echo '#![no_std]' >"$work/src/lib.rs"
cat >"$work/Cargo.toml" <<'TOML'
[package]
name = "nothing"
version = "0.0.0"
edition = "2024"
[profile.release]
debug = false
[workspace]
TOML

# Nothing of the caller's build may leak into this one.
unset RUSTUP_TOOLCHAIN RUSTFLAGS CARGO_ENCODED_RUSTFLAGS CARGO_BUILD_TARGET RUSTC_WRAPPER RUSTC_WORKSPACE_WRAPPER \
  "${!CARGO_TARGET_@}"
(cd "$work" && RUSTC=/usr/bin/rustc RUSTC_BOOTSTRAP=1 CARGO_TARGET_DIR=$work/out /usr/bin/cargo "$mode" --release \
  --target "$target" -Zbuild-std=std,panic_unwind,panic_abort,proc_macro,test >&2)

library=$work/sysroot/lib/rustlib/$target/lib
mkdir -p "$library"
case $mode in build) kind=rlib ;; check) kind=rmeta ;; esac
cp "$work/out/$target/release/deps/"lib*."$kind" "$library/"
rm -f "$library"/libnothing-*
if [ "$mode $target" = "build x86_64-pc-windows-gnu" ]; then
  # The start and end of a mingw program, which are no crates.
  for object in rsbegin rsend; do
    RUSTC_BOOTSTRAP=1 /usr/bin/rustc --target "$target" --sysroot "$work/sysroot" --emit=obj -O \
      -o "$library/$object.o" "/usr/lib/rustlib/src/rust/library/rtstartup/$object.rs" >&2
  done
fi
mv "$work/sysroot" "$sysroot"
echo "$sysroot"
