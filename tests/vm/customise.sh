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
# A desktop session of a nurse, on a screen that is not there. It begins with desk.service.
chroot "$root" useradd -m -s /bin/bash nurse
cat >"$root/etc/systemd/system/desk.service" <<'U'
[Unit]
After=systemd-user-sessions.service
[Service]
User=nurse
PAMName=login
TTYPath=/dev/tty7
Environment=XDG_SESSION_TYPE=wayland XDG_SESSION_CLASS=user XDG_SEAT=seat0 XDG_CURRENT_DESKTOP=sway
Environment=WLR_BACKENDS=headless WLR_LIBINPUT_NO_DEVICES=1 WLR_RENDERER=pixman
ExecStart=/usr/bin/dbus-run-session /usr/bin/sway
ExecStartPost=+/bin/sh -c 'until loginctl activate "$$(loginctl list-sessions --no-legend | sed -n "/nurse/s/^ *\\([^ ]*\\) .*/\\1/p")"; do sleep 0.2; done'
U
install -d -o 1000 -g 1000 "$root/home/nurse/.config" "$root/home/nurse/.config/sway"
cat >"$root/home/nurse/.config/sway/config" <<'C'
exec swayidle -w timeout 300 "swaylock -f"
exec sh -c "until vitalsign-session step-up listen --json --pin-file ~/pin >>~/listen.log 2>&1; do sleep 1; done"
C
(umask 077 && echo 123456 >"$root/home/nurse/pin")
chown -R 1000:1000 "$root/home/nurse"
# ClamAV blocks what it finds, by one signature: its own databases have to be fetched and are not here.
printf 'OnAccessIncludePath /home\nOnAccessPrevention yes\nOnAccessExcludeUname clamav\n' >>"$root/etc/clamav/clamd.conf"
printf 'GuestTest:0:*:%s\n' "$(printf %s a-file-that-is-not-wanted | od -An -tx1 | tr -d ' \n')" >"$root/var/lib/clamav/guest.ndb"
echo a-file-that-is-not-wanted >"$root/home/nurse/unwanted"
mkdir -p "$root/etc/systemd/system/clamav-daemon.service.d" "$root/root/quarantine"
printf '[Unit]\nConditionPathExistsGlob=\n' >"$root/etc/systemd/system/clamav-daemon.service.d/own-signatures.conf"
# What it finds stays in its place, so that the next who reads it is refused too.
mkdir -p "$root/etc/systemd/system/clamav-clamonacc.service.d"
printf '[Service]\nExecStart=\nExecStart=/usr/sbin/clamonacc -F --log=/var/log/clamav/clamonacc.log\n' \
  >"$root/etc/systemd/system/clamav-clamonacc.service.d/stays.conf"
chroot "$root" systemctl -q disable clamav-daemon
chroot "$root" systemctl -q enable network nftables unattended-upgrades
ln -sf /dev/null "$root/etc/systemd/system/systemd-networkd-wait-online.service"
version=$(basename "$root"/boot/vmlinuz-*)
version=${version#vmlinuz-}
mount --bind /proc "$root/proc"
trap 'umount "$root/proc"' EXIT
chroot "$root" dracut --no-hostonly --force --compress 'gzip -1' --omit 'plymouth network ifcfg nfs iscsi lunmask multipath' \
  --add 'systemd crypt tpm2-tss' --add-drivers 'virtio_blk virtio_pci tpm_crb tpm_tis dm-crypt xts ext4' /boot/initrd "$version"
