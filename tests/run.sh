#!/usr/bin/env bash
# Everything that is checked before a change lands: installs what is missing (Debian, Ubuntu), then
# formatting, lints, build and all tests against real servers that end with this script.
#
#   tests/run.sh [--no-install] [--no-lint] [ARGUMENTS OF cargo test ...]
#
#   --no-install  install nothing: say what is missing and stop
#   --no-lint     no rustfmt, clippy and cargo-deny
#
# Further arguments go to cargo test: `tests/run.sh --no-lint --test it -- kafka`.
# cargo-deny runs where it is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(g++ make pkg-config libssl-dev zlib1g-dev mariadb-server pdns-server pdns-backend-mysql
  pdns-tools bind9-dnsutils python3 python3-pip curl jq)

install=yes lint=yes
while [ $# -gt 0 ]; do
  case "$1" in
    --no-install) install=no ;;
    --no-lint) lint=no ;;
    --help | -h)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0"
      exit 0
      ;;
    *) break ;;
  esac
  shift
done

step() { printf '\n== %s\n' "$*"; }

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "tests/run.sh: not root and no sudo: run as root: $*" >&2
    return 1
  fi
}

# Installs packages without starting their services: the tests start servers of their own.
install_packages() {
  local policy=/usr/sbin/policy-rc.d status=0
  if [ ! -e "$policy" ]; then
    # shellcheck disable=SC2064 # the path is known now
    trap "as_root rm -f '$policy'" EXIT
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  else
    policy=
  fi
  as_root apt-get update || status=$?
  [ "$status" != 0 ] ||
    as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
      apt-get install -y --no-install-recommends "$@" || status=$?
  if [ -n "$policy" ]; then
    as_root rm -f "$policy"
    trap - EXIT
  fi
  return "$status"
}

missing=()
for package in "${packages[@]}"; do
  # `dpkg -s` also knows packages that were removed and left their settings behind.
  dpkg -s "$package" 2>/dev/null | grep -q '^Status: install ok installed' || missing+=("$package")
done
if [ ${#missing[@]} -gt 0 ]; then
  if [ "$install" = no ]; then
    echo "tests/run.sh: missing packages: ${missing[*]}" >&2
    exit 1
  fi
  step "installing ${missing[*]}"
  install_packages "${missing[@]}"
fi

# Debian keeps servers and their tools where a user's PATH does not look; rustup has a folder of its own.
PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin:${CARGO_HOME:-$HOME/.cargo}/bin"
export PATH
if ! command -v cargo >/dev/null; then
  echo "tests/run.sh: no cargo: install Rust 1.90 or later, https://rustup.rs" >&2
  exit 1
fi

if [ "$lint" = yes ]; then
  step "rustfmt"
  cargo fmt --all --check
  step "clippy"
  cargo clippy --locked --workspace --all-targets -- -D warnings
  if command -v cargo-deny >/dev/null; then
    step "cargo-deny"
    cargo deny check licenses bans sources
  fi
fi

step "build"
# Always the whole workspace: a part of it would unify features otherwise and build librdkafka again.
cargo build --locked --workspace --all-targets

step "test"
"${CARGO_TARGET_DIR:-target}/debug/testbed" run -- cargo test --locked --workspace "$@"
