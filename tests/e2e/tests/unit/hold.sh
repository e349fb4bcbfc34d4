#!/usr/bin/env bash
# Boots systemd in private namespaces, prints its process ID, and holds it until standard input ends: with the test,
# however that ends. Then nothing is left: no process, mount, control group or loop device.
#   hold.sh FOLDER     the machine's folder, see boot.sh
set -euo pipefail
folder=$1
here=$(dirname "$0")

# A control group in each hierarchy that systemd uses, below the current one, so that machines do not share any. In the
# unified hierarchy it is below the root, because a group that contains processes cannot pass controllers on.
groups=()
init=
end() {
  [ -z "$init" ] || kill -KILL "$init" 2>/dev/null || true
  wait
  local group
  for group in "${groups[@]}"; do
    find "$group" -depth -type d -exec rmdir {} +
  done
}
trap 'exit 1' TERM INT HUP
trap end EXIT

name=vitalsign-test-$$
if [ "$(stat -fc %T /sys/fs/cgroup)" = cgroup2fs ]; then
  echo "+memory +pids" >/sys/fs/cgroup/cgroup.subtree_control
  groups+=("/sys/fs/cgroup/$name")
else
  while IFS=: read -r _ controllers path; do
    case $controllers in
      name=systemd) hierarchy=systemd ;;
      '') hierarchy=unified ;;
      memory | devices | pids | blkio | cpu | cpuacct | cpu,cpuacct) hierarchy=$controllers ;;
      *) continue ;;
    esac
    groups+=("/sys/fs/cgroup/$hierarchy${path%/}/$name")
  done </proc/self/cgroup
fi
mkdir -p "${groups[@]}"

# Each process ends with the one before it. Only the machine is in its groups, which the namespace takes for roots.
setpriv --pdeathsig KILL unshare --pid --fork --kill-child --mount --ipc --uts --mount-proc bash -c '
  boot=$1 folder=$2
  shift 2
  for group; do echo 0 >"$group/cgroup.procs"; done
  exec unshare --cgroup bash "$boot" "$folder"
' bash "$here/boot.sh" "$folder" "${groups[@]}" </dev/null >"$folder/console" 2>&1 &
until init=$(cat "/proc/$!/task/$!/children") && [ -n "$init" ]; do kill -0 $!; done
init=${init% }
echo "init $init"
read -r _ || true
