#!/usr/bin/env bash
# Unpacks a PowerDNS that this machine does not have, with all its libraries, from Debian's archive.
#
#   tests/powerdns.sh 4.7|4.9|5.1 DIRECTORY
#
# Nothing is installed, and root is not needed: the programs run in place with the loader and the libraries
# that came with them, by the small scripts DIRECTORY/bin/{pdns_server,pdnsutil,pdns_control}. What is there
# already stays; delete the directory (100 MB) to have it made anew.
set -euo pipefail

# The release of Debian that has the version. A release moves on: the end of this script looks.
version=${1:?a version of PowerDNS} dir=${2:?a directory}
case "$version" in
  4.7) suite=bookworm ;;
  4.9) suite=trixie ;;
  5.1) suite=sid ;;
  *)
    echo "$0: PowerDNS 4.7, 4.9 and 5.1 are known, not $version" >&2
    exit 1
    ;;
esac
keys=/usr/share/keyrings/debian-archive-keyring.gpg
packages=(pdns-server pdns-backend-mysql pdns-tools)

[ ! -x "$dir/bin/pdns_server" ] || exit 0
if ! command -v apt-get >/dev/null || [ ! -r "$keys" ]; then
  echo "$0: needs apt-get and $keys (package debian-archive-keyring)" >&2
  exit 1
fi

part="$dir.part"
trap 'rm -rf "$part"' EXIT
rm -rf "$part"
mkdir -p "$part"/apt/{lists,cache/archives}/partial
# As a path of its own: apt takes a relative one as below its own folders.
part=$(cd "$part" && pwd)

# An apt with folders of its own to which nothing is installed, so that libc comes too, and with this
# machine's mirror of Debian, where it has one.
# shellcheck disable=SC2016 # apt's own placeholder
mirror=$(apt-get indextargets --format '$(REPO_URI)' 'Origin: Debian' 'Label: Debian' | head -n 1)
echo "deb [signed-by=$keys] ${mirror:-http://deb.debian.org/debian} $suite main" >"$part/apt/sources.list"
: >"$part/apt/status"
own_apt() {
  apt-get -qq -o Dir::State="$part/apt" -o Dir::State::status="$part/apt/status" \
    -o Dir::Cache="$part/apt/cache" -o Dir::Etc::sourcelist="$part/apt/sources.list" \
    -o Dir::Etc::sourceparts=/dev/null -o Dir::Etc::preferences=/dev/null \
    -o Dir::Etc::preferencesparts=/dev/null -o APT::Sandbox::User= -o Acquire::Languages=none "$@"
}
own_apt update
own_apt install -y --no-install-recommends --download-only "${packages[@]}" >/dev/null
for package in "$part"/apt/cache/archives/*.deb; do
  dpkg-deb --extract "$package" "$part"
done
rm -rf "${part:?}"/{apt,etc,var,usr/share}

# Before /usr was merged, libraries lay in two places, and the loader in the other one.
mkdir "$part/bin"
for program in usr/sbin/pdns_server usr/bin/pdnsutil usr/bin/pdns_control; do
  cat >"$part/bin/${program##*/}" <<'SCRIPT'
#!/bin/sh
here=$(cd "$(dirname "$0")/.." && pwd)
set -- PROGRAM "$@"
for lib in "$here"/lib/*-linux-gnu* "$here"/usr/lib/*-linux-gnu*; do
  [ ! -d "$lib" ] || path="${path:+$path:}$lib"
  for file in "$lib"/ld-linux*.so.*; do
    [ ! -f "$file" ] || loader=$file
  done
done
program="$here/$1"
shift
exec "$loader" --library-path "$path" "$program" "$@"
SCRIPT
  sed -i "s|PROGRAM|$program|" "$part/bin/${program##*/}"
  chmod 755 "$part/bin/${program##*/}"
done
# The backend lies where the testbed's pdns.conf says.
ln -s "$(cd "$part" && echo usr/lib/*-linux-gnu*/pdns)" "$part/modules"

said=$("$part/bin/pdnsutil" --version)
case "$said" in
  "pdnsutil $version."*) ;;
  *)
    echo "$0: Debian $suite has \`$said\` by now, not $version" >&2
    exit 1
    ;;
esac
mv "$part" "$dir"
trap - EXIT
