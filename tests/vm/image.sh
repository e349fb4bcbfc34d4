#!/usr/bin/env bash
# Prints the folder of the guest's disks and boot files: Debian from its own packages, with an encrypted root, a plain root, and
# the boot path shim, GRUB, kernel. Built once for each content of this script and the next, without loop devices; needs root.
set -euo pipefail
cd "$(dirname "$0")"
suite=bookworm
packages=(linux-image-cloud-amd64 dracut systemd-sysv libpam-systemd dbus udev kmod cryptsetup-bin e2fsprogs
  tpm2-tools libtss2-esys-3.0.2-0 libtss2-rc0 libtss2-mu0 libtss2-tcti-device0 nftables iproute2 procps qemu-guest-agent
  shim-signed grub-efi-amd64-signed unattended-upgrades ca-certificates libdbus-1-3 libpcsclite1 libudev1
  lvm2 sway swayidle swaylock clamav-daemon clamav python3-minimal)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign/vm
mkdir -p "$cache"
exec 9>"$cache/image.lock"
flock 9
source_of() {
  apt-get indextargets --format '$(REPO_URI) $(RELEASE)' 'Created-By: Packages' |
    awk -v release="$1" '$2 == release { print $1; exit }'
}
out=$cache/guest-$(cat image.sh customise.sh | sha256sum | cut -c1-16)
[ ! -e "$out/done" ] || { echo "$out"; exit; }
sources=()
for part in "$suite" "$suite-updates" "$suite-security"; do
  uri=$(source_of "$part")
  # The machine may be another system, whose apt does not know this one's archives.
  case $part in
    *-security) uri=${uri:-http://deb.debian.org/debian-security} ;;
    *) uri=${uri:-http://deb.debian.org/debian} ;;
  esac
  sources+=("deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $uri $part main")
done
rm -rf "$cache"/guest-*
mkdir -p "$out"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
excluded=()
for folder in gpu media net/wireless net/ethernet infiniband iio staging isdn comedi mtd edac hwmon video; do
  excluded+=(--dpkgopt="path-exclude=/lib/modules/*/kernel/drivers/$folder/*")
done
for folder in doc man locale; do excluded+=(--dpkgopt="path-exclude=/usr/share/$folder/*"); done
debian=$cache/debian-$(echo "$suite ${packages[*]} ${excluded[*]}" | sha256sum | cut -c1-16).tar
if [ ! -e "$debian" ]; then
  rm -f "$cache"/debian-*
  echo "vm: fetching a Debian $suite for guests, once" >&2
  mmdebstrap --mode=root --variant=apt --format=tar --dpkgopt=force-unsafe-io "${excluded[@]}" \
    --aptopt='Acquire::Languages "none"' --aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
    --include="$(IFS=,; echo "${packages[*]}")" "$suite" "$debian.new" "${sources[@]}" >"$out/build.log" 2>&1 ||
    { tail -20 "$out/build.log" >&2; exit 1; }
  mv "$debian.new" "$debian"
fi
echo "vm: making the guest's disks, once" >&2
root=$work/root
mkdir "$root"
tar -C "$root" -xf "$debian"
./customise.sh "$root" >>"$out/build.log" 2>&1 || { tail -20 "$out/build.log" >&2; exit 1; }
mv "$root"/boot/initrd "$out/initrd"
cp "$root"/boot/vmlinuz-* "$out/vmlinuz"
uuid=11111111-2222-3333-4444-555555555555
esp() {
  local image=$work/esp command=$1
  rm -f "$image" && truncate -s 160M "$image" && mkfs.vfat -F 32 -n ESP "$image" >/dev/null
  mmd -i "$image" ::/EFI ::/EFI/BOOT ::/EFI/debian
  mcopy -i "$image" "$root/usr/lib/shim/shimx64.efi.signed" ::/EFI/BOOT/BOOTX64.EFI
  mcopy -i "$image" "$root/usr/lib/grub/x86_64-efi-signed/grubx64.efi.signed" ::/EFI/BOOT/grubx64.efi
  # On a busy machine, timer interrupts come too late for the kernel's check of its timer, which would panic.
  printf 'set timeout=0\nlinux /vmlinuz %s ro console=ttyS0 quiet systemd.show_status=0 random.trust_cpu=on net.ifnames=0 no_timer_check\ninitrd /initrd\nboot\n' \
    "$command" >"$work/grub.cfg"
  mcopy -i "$image" "$work/grub.cfg" ::/EFI/debian/grub.cfg
  mcopy -i "$image" "$out/vmlinuz" ::/vmlinuz
  mcopy -i "$image" "$out/initrd" ::/initrd
}
disk() {
  local disk=$work/disk megabytes
  megabytes=$(($(stat -c %s "$work/system") / 1048576))
  rm -f "$disk" && truncate -s $((megabytes + 163))M "$disk"
  printf 'label: gpt\nstart=1MiB,size=160MiB,type=uefi,name=ESP\nstart=161MiB,size=%dMiB,type=4F68BCE3-E8CD-4DB1-96E7-FBCAF984B709,name=root\n' \
    "$megabytes" | sfdisk -q "$disk"
  dd if="$work/esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
  dd if="$work/system" of="$disk" bs=1M seek=161 conv=notrunc,sparse status=none
  qemu-img convert -O qcow2 "$disk" "$out/$1.qcow2"
}
truncate -s 1200M "$work/system"
mke2fs -q -t ext4 -L root -E root_owner=0:0 -d "$root" "$work/system"
esp "root=LABEL=root"
disk plain
truncate -s +32M "$work/system"
printf 'correct horse' >"$work/password"
cryptsetup reencrypt --encrypt --type luks2 --reduce-device-size 32M --resilience none --pbkdf pbkdf2 --pbkdf-force-iterations 1000 \
  --key-file "$work/password" --batch-mode --uuid $uuid "$work/system"
esp "root=/dev/mapper/root rd.luks.name=$uuid=root rd.luks.options=$uuid=tpm2-device=auto"
disk encrypted
touch "$out/done"
echo "$out"
