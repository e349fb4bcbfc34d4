#!/usr/bin/env bash
# Runs a command on this machine's files (read-only) under a separate kernel, in a virtual machine, because the kernel
# here may lack what the command needs: USB over IP, and through it a real /dev/hidraw; dm-crypt, a TPM driver, and the
# unified hierarchy of control groups.
#   tests/vm/run.sh COMMAND [ARGUMENT…]     exits as the command does; 125 when the machine does not run it
# In the guest: /tmp, /run and /dev/shm are empty and in memory, except for this checkout, the folder of COMMAND and the
# cache, which stay visible wherever they are; loopback is the only network, root is the only user.
set -euo pipefail
cd "$(dirname "$0")"
modules=(virtio_pci 9pnet_virtio 9p vhci-hcd usbhid hid-generic overlay loop dm-crypt xts ext4 tpm_vtpm_proxy)
kernel=$(./kernel.sh) || exit 125
version=$(basename "$kernel")
version=${version#linux-image-}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p "$work/root"/{bin,modules,host}
cp /bin/busybox "$work/root/bin/"
cp guest-init "$work/root/init"
for module in "${modules[@]}"; do
  modprobe -d "$kernel" -S "$version" --show-depends "$module" | awk '$1 == "insmod" { print $2 }'
done | awk '!seen[$0]++' >"$work/order"
while read -r module; do
  cp "$module" "$work/root/modules/"
  basename "$module" >>"$work/root/modules/order"
done <"$work/order"
# What to run, quoted for the guest's shell; and what of our surroundings it sees.
{
  printf 'cd %q\nexport PATH=%q HOME=%q VITALSIGN_GUEST=1\n' "$PWD" "$PATH" "$HOME"
  env | grep -E '^(RUST_|VITALSIGN_|NEXTEST|CARGO_)' | while IFS= read -r line; do printf 'export %q\n' "$line"; done
  printf 'exec'
  printf ' %q' "$@"
  echo
} >"$work/root/command"
# Folders that the guest must see although a file system in memory is mounted above them.
top=$(cd ../.. && pwd -P)
for folder in "$top" "$(dirname "$(dirname "$(realpath "$1")")")" "${XDG_CACHE_HOME:-$HOME/.cache}/vitalsign"; do
  case $folder in
    /tmp/* | /run/* | /dev/shm/*) echo "$folder" ;;
  esac
done | sort -u >"$work/root/visible"
(cd "$work/root" && find . | cpio -o -H newc --quiet | gzip -1) >"$work/initrd"

# By emulation everywhere: slower than with the processor's help, and the same on every machine. On a busy one, timer
# interrupts come too late for the kernel's check of its timer, which would panic.
qemu-system-x86_64 -nodefaults -no-user-config -machine q35 -accel tcg,thread=multi -cpu max,la57=off -smp 2 -m 2048 \
  -display none -serial stdio -no-reboot -device virtio-rng-pci \
  -virtfs local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap \
  -kernel "$kernel/boot/vmlinuz-$version" -initrd "$work/initrd" -append "console=ttyS0 quiet panic=-1 no_timer_check" \
  </dev/null 2>&1 | tr -d '\r' | tee "$work/log"
status=$(sed -n 's/^guest: exit //p' "$work/log" | tail -1)
exit "${status:-125}"
