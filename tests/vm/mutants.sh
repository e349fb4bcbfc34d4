#!/usr/bin/env bash
# Proves that the rows of the guest can fail: builds the programs with probes that are broken on purpose, the patches in
# tests/vm/mutants/SET, and boots the guest with them. Passes if the rows that the patches name have the outcomes that they
# name, and all other rows are right.
#   tests/vm/mutants.sh [SET…]   [default: every set]
# A set takes ten to twenty minutes, and the first more, because all dependencies are built in a target folder beside the usual one.
set -euo pipefail
top=$(cd "$(dirname "$0")/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/mutants
tree=$cache/tree
sets=("$@")
[ $# -gt 0 ] || mapfile -t sets < <(cd "$top/tests/vm/mutants" && printf '%s\n' *)
mkdir -p "$tree"
# One at a time: the next would change the tree under this one.
exec 9>"$cache/lock"
flock 9
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Files of a tree, without what was built in it.
files() { (cd "$1" && find . \( -name .git -o -name target -o -name node_modules \) -prune -o -type f -print0); }

# Makes the tree one with the patches of a set. A file that stays as it was keeps its time, so that it is not built again.
prepare() {
  local new=$work/new patch file
  rm -rf "$new" && mkdir "$new"
  files "$top" | tar -C "$top" --null --files-from - --create --file - | tar -C "$new" --extract --touch --file -
  for patch in "$top/tests/vm/mutants/$1"/*.patch; do
    patch --directory "$new" --strip 1 --fuzz 0 --batch --silent --no-backup-if-mismatch --reject-file - <"$patch" ||
      { echo "mutants: $patch does not apply" >&2; return 1; }
  done
  files "$tree" | while IFS= read -r -d '' file; do
    [ -e "$new/$file" ] || rm "$tree/$file"
  done
  files "$new" | while IFS= read -r -d '' file; do
    cmp --silent "$new/$file" "$tree/$file" || install -D --mode "$(stat -c %a "$new/$file")" "$new/$file" "$tree/$file"
  done
}

# Packages have the time of a commit, which a copy of the files does not know. Always the same, because Cargo builds what is
# written in C again for another.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-1767225600} CARGO_TARGET_DIR=$cache/target
programs=(vitalsign vitalsign-session vitalsign-helper vitalsign-verifier vitalsign-simulated-key)
run() {
  printf '\n== mutants: %s\n' "$1"
  # The functions are called where their status counts, which turns `set -e` off in them.
  prepare "$1" && cd "$tree" && cargo build --workspace "${programs[@]/#/--bin=}" &&
    VITALSIGN_MUTANTS=tests/vm/mutants/$1 cargo nextest run --workspace --test guest --no-capture -E 'test(guest)'
}

failed=()
for set in "${sets[@]}"; do
  [ -d "$top/tests/vm/mutants/$set" ] || { echo "mutants: there is no set $set" >&2; exit 2; }
  run "$set" || failed+=("$set")
done
[ ${#failed[@]} = 0 ] || { echo "mutants: not as the patches name it, see above: ${failed[*]}" >&2; exit 1; }
