#!/usr/bin/env bash
# Makes the deb and rpm packages of this version from programs that were built, reproducibly: the same programs give the same
# bytes. Prints the path of each.
#   packages.sh --programs FOLDER --manual FOLDER OUT [deb|rpm]
#   LEVEL=0..9   of compression [default: 9]
# Needs dpkg-dev for deb, and rpmbuild for rpm.
set -euo pipefail
tree=$(cd "$(dirname "$0")/../.." && pwd)
here=$tree/installers/linux/packages
program='' manual='' out='' kinds=(deb rpm)
while [ $# -gt 0 ]; do
  case $1 in
    --programs) program=$(realpath "$2") && shift ;;
    --manual) manual=$(realpath "$2") && shift ;;
    deb | rpm) kinds=("$1") ;;
    *) out=$1 ;;
  esac
  shift
done
if [ -z "$program" ] || [ -z "$manual" ] || [ -z "$out" ]; then
  sed -n '2,6s/^# \{0,1\}//p' "$0" >&2
  exit 2
fi
version=$(sed -n 's/^version = "\(.*\)"/\1/p' "$tree/Cargo.toml" | head -1)
: "${SOURCE_DATE_EPOCH:=$(git -C "$tree" log -1 --format=%ct)}"
export SOURCE_DATE_EPOCH
maintainer="Vitalsign maintainers <security@vitalsign.invalid>"
mkdir -p "$out"
out=$(realpath "$out")
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Lays out the files of a package, with the manual of its programs.
stage() {
  local root=$work/$1/root mode source target name page
  while read -r mode source target; do
    case $source in
      directory) install -d -m "$mode" "$root/$target" && continue ;;
      program/*) source=$program/${source#program/} ;;
      tree/*) source=$tree/${source#tree/} ;;
    esac
    install -D -m "$mode" "$source" "$root/$target"
    case $target in
      usr/bin/* | usr/libexec/*) strip --strip-unneeded "$root/$target" ;;
      *.metainfo.xml)
        sed -i "s/@VERSION@/$version/; s/@DATE@/$(date -u -d "@$SOURCE_DATE_EPOCH" +%F)/" "$root/$target"
        ;;
    esac
    case $target in
      usr/bin/*)
        name=${target##*/}
        for page in "$manual/man1/$name.1" "$manual/man1/$name"-*.1; do
          # Pages of vitalsign-session are not those of a subcommand of vitalsign.
          [ -e "$page" ] && [ "$(owner "$page")" = "$name" ] || continue
          install -d "$root/usr/share/man/man1"
          gzip -9n <"$page" >"$root/usr/share/man/man1/${page##*/}.gz"
        done
        complete "$root" "$name"
        ;;
    esac
  done < <(grep -v '^#' "$here/$1.list")
  find "$root" -exec touch --no-dereference --date "@$SOURCE_DATE_EPOCH" {} +
}

# The longest name of a program with which the name of a page begins.
owner() {
  local page=${1##*/} name best=
  for name in vitalsign vitalsign-session vitalsign-app vitalsign-verifier; do
    case ${page%.1}- in "$name"-*) [ ${#name} -le ${#best} ] || best=$name ;; esac
  done
  echo "$best"
}

complete() {
  local pair
  for pair in "$2.bash usr/share/bash-completion/completions/$2" "_$2 usr/share/zsh/vendor-completions/_$2" \
    "$2.fish usr/share/fish/vendor_completions.d/$2.fish"; do
    # shellcheck disable=SC2086
    set -- "$1" "$2" $pair
    [ ! -e "$manual/completions/$3" ] || install -D -m 0644 "$manual/completions/$3" "$1/$4"
  done
}

make_deb() {
  local root=$work/$1/root control=$work/$1/root/DEBIAN libraries script binaries
  mkdir -p "$control" "$work/$1/debian"
  echo "Source: vitalsign" >"$work/$1/debian/control"
  mapfile -t binaries < <(find "$root/usr/bin" "$root/usr/libexec" -type f 2>/dev/null)
  libraries=$(cd "$work/$1" && dpkg-shlibdeps -O "${binaries[@]}" 2>/dev/null | sed -n 's/^shlibs:Depends=//p')
  {
    sed "s/@LIBRARIES@/$libraries/; s/@VERSION@/$version/; /^Section/a Version: $version\nArchitecture: $(dpkg --print-architecture)\nMaintainer: $maintainer\nPriority: optional\nInstalled-Size: $(du -sk --apparent-size "$root" | cut -f1)" "$here/$1.control"
  } >"$control/control"
  (cd "$root" && find . -type f ! -path './DEBIAN/*' -printf '%P\0' | sort -z | xargs -0 md5sum) >"$control/md5sums"
  (cd "$root" && find etc -type f 2>/dev/null | sort | sed 's|^|/|') >"$control/conffiles"
  [ -s "$control/conffiles" ] || rm "$control/conffiles"
  for script in postinst prerm postrm; do
    [ ! -e "$here/deb/$1.$script" ] || install -m 0755 "$here/deb/$1.$script" "$control/$script"
  done
  find "$control" -exec touch --date "@$SOURCE_DATE_EPOCH" {} +
  dpkg-deb --root-owner-group -Zxz -z"${LEVEL:-9}" --build "$root" "$out" >/dev/null
  rm -r "$control"
  echo "$out/$1_${version}_$(dpkg --print-architecture).deb"
}

make_rpm() {
  local root=$work/$1/root spec=$work/$1.spec summary
  summary=$(sed -n 's/^Description: //p' "$here/$1.control")
  {
    cat <<SPEC
Name: $1
Version: $version
Release: 1
Summary: $summary
License: Apache-2.0
Requires: systemd
%global _build_id_links none
%global __os_install_post %{nil}
%global _buildhost reproducible
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global source_date_epoch_from_changelog 0
%global _binary_payload w${LEVEL:-9}.xzdio
SPEC
    case $1 in
      vitalsign) echo "Recommends: vitalsign-app" ;;
      vitalsign-app) echo "Requires: vitalsign = $version" ;;
      vitalsign-verifier) echo "Requires: curl" ;;
    esac
    echo "%description"
    sed -n 's/^ //p' "$here/$1.control"
    echo "%install"
    # zsh and fish read other folders on these systems.
    cat <<SPEC
cp -a "$root/." %{buildroot}
cd %{buildroot}
[ ! -d usr/share/zsh/vendor-completions ] || mv usr/share/zsh/vendor-completions usr/share/zsh/site-functions
SPEC
    [ ! -e "$here/rpm/$1.scripts" ] || cat "$here/rpm/$1.scripts"
    echo "%files"
    echo "%defattr(-,root,root,-)"
    (cd "$root" && find . -type f ! -path './etc/*' -printf '/%P\n' | sed 's|vendor-completions|site-functions|; s|^/usr/share/doc|%doc &|; s|.*|"&"|; s|"%doc \(.*\)|%doc "\1|')
    (cd "$root" && find . -type f -path './etc/*' -printf '%%config(noreplace) "/%P"\n')
    (cd "$root" && find . -mindepth 2 -maxdepth 3 -type d -path './etc/vitalsign*' -printf '%%dir "/%P"\n')
  } >"$spec"
  rpmbuild --quiet -bb --define "_topdir $work/rpm" --define "_rpmdir $out" --define "_rpmfilename %%{NAME}-%%{VERSION}-%%{RELEASE}.%%{ARCH}.rpm" \
    --buildroot "$work/rpm/root-$1" "$spec" >&2
  echo "$out/$1-$version-1.$(uname -m).rpm"
}

for package in ${PACKAGES:-vitalsign vitalsign-app vitalsign-verifier}; do
  stage "$package"
  for kind in "${kinds[@]}"; do
    "make_$kind" "$package"
  done
done
