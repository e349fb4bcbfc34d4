#!/usr/bin/env bash
# First process of a machine in private namespaces: lays the machine's files over this system's, and becomes systemd.
#   boot.sh FOLDER     with units/ (all the units that there are), root/ (files that are laid over /), sysusers.conf, agent and
#                      helper (the programs), and disk (an image with a LUKS header, for a loop device). Without agent, the
#                      machine is one for packages, which add units.
set -euo pipefail
folder=$1
mount --make-rprivate /

# The header lies on a real block device, which ends with the process that holds it.
device=$(losetup --find --show "$folder/disk")
exec 9<"$device"
sleep infinity <&9 &
exec 9<&-
losetup --detach "$device"
echo "$device" >"$folder/device"
uuid=CRYPT-LUKS2-6f3ec9a05f0b4b0c8f6a6f4ad3a2a111-root

# In a guest, the root is a file system on a real encrypting device above that, with the guest's folders mounted in it.
if [ -n "${VITALSIGN_GUEST:-}" ]; then
  first=32768
  dmsetup create root --noudevsync --uuid "$uuid" --table \
    "0 $(($(blockdev --getsz "$device") - first)) crypt aes-xts-plain64 $(printf '07%.0s' {1..64}) 0 $device $first"
  # There is no udev that would make this link.
  ln -s "../$(dmsetup info --columns --noheadings --options blkdevname root)" /dev/mapper/root
  mkfs.ext4 -q /dev/mapper/root
  mount /dev/mapper/root /mnt
  for entry in /*; do
    if [ -L "$entry" ]; then
      cp -P "$entry" /mnt
    elif [ -d "$entry" ]; then
      mkdir -p "/mnt$entry"
      [ "$entry" = /mnt ] || mount --rbind "$entry" "/mnt$entry"
    fi
  done
  cd /mnt
  pivot_root . mnt
  umount -l /mnt
fi

mount -t tmpfs -o mode=755 tmpfs /run
mkdir -p /run/lock /run/lay

places=(/etc /var/lib /usr/bin /usr/libexec /opt)
[ -e "$folder/agent" ] || places=(/etc /var /usr /opt)
for place in "${places[@]}"; do
  lay=/run/lay/${place//\//-}
  mkdir -p "$lay"/{upper,work}
  mount -t overlay -o "lowerdir=$place,upperdir=$lay/upper,workdir=$lay/work" overlay "$place"
done
cp -r "$folder/root/." /
export SYSTEMD_UNIT_PATH=$folder/units
if [ -e "$folder/agent" ]; then
  touch /usr/bin/vitalsign /usr/libexec/vitalsign-helper
  mount --bind "$folder/agent" /usr/bin/vitalsign
  mount --bind "$folder/helper" /usr/libexec/vitalsign-helper
  systemd-sysusers "$folder/sysusers.conf"
else
  # This system's units would start, and a policy against starting any may be in force.
  for place in /etc/systemd/system /usr/lib/systemd/system; do
    mount -t tmpfs -o mode=755 tmpfs "$place"
    SYSTEMD_UNIT_PATH+=:$place
  done
  rm -f /usr/sbin/policy-rc.d
fi

# The hierarchies of control groups as this namespace sees them: each begins at its own group.
unified=$(stat -fc %T /sys/fs/cgroup)
controllers=$(cut -d : -f 2 /proc/self/cgroup)
umount -R /sys/fs/cgroup
if [ "$unified" = cgroup2fs ]; then
  mount -t cgroup2 cgroup2 /sys/fs/cgroup
else
  mount -t tmpfs -o mode=755 tmpfs /sys/fs/cgroup
  while read -r controller; do
    case $controller in
      name=systemd) name=systemd type=cgroup ;;
      '') name=unified type=cgroup2 ;;
      memory | devices | pids | blkio | cpu | cpuacct | cpu,cpuacct) name=$controller type=cgroup ;;
      *) continue ;;
    esac
    mkdir "/sys/fs/cgroup/$name"
    options=()
    [ $type = cgroup2 ] || options=(-o "$controller")
    mount -t $type "${options[@]}" cgroup "/sys/fs/cgroup/$name"
  done <<<"$controllers"
fi

# Elsewhere, sysfs describes an encrypting device wherever a file system is mounted from a block device: the kernel may have
# no device mapper, and a mapping would outlive the machine.
if [ -z "${VITALSIGN_GUEST:-}" ]; then
  sys=/run/lay/block
  numbers=$(findmnt -rno MAJ:MIN | grep -v '^0:' | sort -u)
  while read -r number; do
    mkdir -p "$sys/$number/dm" "$sys/$number/slaves/${device##*/}"
    echo "$number" >"$sys/$number/dev"
    echo root >"$sys/$number/dm/name"
    echo "$uuid" >"$sys/$number/dm/uuid"
    cat "/sys/class/block/${device##*/}/dev" >"$sys/$number/slaves/${device##*/}/dev"
  done <<<"$numbers"
  mount --bind "$sys" /sys/dev/block
  mount --bind /dev/null /proc/swaps
fi

# A pipe takes the messages for the kernel's log, as a file would be written from its beginning by each process.
mkfifo /run/lay/messages
cat <>/run/lay/messages &
mount --bind /run/lay/messages /dev/kmsg

# Within these namespaces, as a container has it: systemd makes the mount of a service's credentials in a separate process.
mount --make-rshared /

export SYSTEMD_GENERATOR_PATH=/nonexistent container=vitalsign-test
exec /lib/systemd/systemd --unit=default.target --log-target=kmsg --show-status=no
