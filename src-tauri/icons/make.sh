#!/usr/bin/env bash
# Makes the pictures that the app carries from the drawings beside this: `src-tauri/icons/make.sh` (needs librsvg2-bin).
set -euo pipefail
cd "$(dirname "$0")"
for size in 32 128 256; do
  rsvg-convert -w "$size" -h "$size" icon.svg -o "icon-$size.png"
done
# Four times the 22 pixels of a panel: desktops scale them down.
for drawing in tray/*.svg; do
  rsvg-convert -w 88 -h 88 "$drawing" -o "${drawing%.svg}.png"
done
