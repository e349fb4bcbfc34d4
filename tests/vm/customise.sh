#!/usr/bin/env bash
# Makes a small machine of a Debian tree: $1 is its root.
set -euo pipefail
root=$1
echo guest >"$root/etc/hostname"
printf '127.0.0.1 localhost guest\n10.0.2.100 verifier.test\n' >"$root/etc/hosts"
printf 'LABEL=root / ext4 errors=remount-ro 0 1\nLABEL=ESP /boot/efi vfat noauto,umask=0077 0 0\n' >"$root/etc/fstab"
mkdir -p "$root/boot/efi"
: >"$root/etc/machine-id"
# Tests bring the archives that this guest can reach.
: >"$root/etc/apt/sources.list"
# A static address of an interface that keeps the kernel's name: nothing has to wait for udev.
cat >"$root/etc/systemd/system/network.service" <<'U'
[Unit]
Before=network-online.target
[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/bin/sh -c 'until [ -e /sys/class/net/eth0 ]; do sleep 0.1; done; ip address add 10.0.2.15/24 dev eth0; ip link set eth0 up'
[Install]
WantedBy=network-online.target multi-user.target
U
cat >"$root/etc/nftables.conf" <<'N'
#!/usr/sbin/nft -f
flush ruleset
table inet filter {
  chain input {
    type filter hook input priority 0; policy drop;
    ct state established,related accept
    iif lo accept
    tcp dport 22 accept
  }
  chain forward { type filter hook forward priority 0; policy drop; }
}
N
chroot "$root" systemctl -q enable network nftables unattended-upgrades
ln -sf /dev/null "$root/etc/systemd/system/systemd-networkd-wait-online.service"
version=$(basename "$root"/boot/vmlinuz-*)
version=${version#vmlinuz-}
mount --bind /proc "$root/proc"
trap 'umount "$root/proc"' EXIT
chroot "$root" dracut --no-hostonly --force --compress 'gzip -1' --omit 'plymouth network ifcfg nfs iscsi lunmask multipath' \
  --add 'systemd crypt tpm2-tss' --add-drivers 'virtio_blk virtio_pci tpm_crb tpm_tis dm-crypt xts ext4' /boot/initrd "$version"
