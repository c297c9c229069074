# shellcheck shell=bash
# What deploy/demo.sh and tests/run.sh share, to be sourced: what has to be installed (Debian 12),
# where programs lie, and a way to run a command so that a signal ends it with all that it has started.

# To build, to run the servers, and to look at them.
# shellcheck disable=SC2034 # for those who source this
packages=(ca-certificates g++ make pkg-config libssl-dev zlib1g-dev
  mariadb-server pdns-server pdns-backend-mysql pdns-tools bind9-dnsutils curl jq procps)

as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    echo "$0: not root and no sudo; run as root: $*" >&2
    return 1
  fi
}

# missing_packages PACKAGE...: those that are not installed, a line each.
missing_packages() {
  local package
  for package in "$@"; do
    # Also asks for the state: a package that was removed may have left its settings behind.
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null)" = installed ] || echo "$package"
  done
}

# Installs packages without starting their services: tests and demo start servers of their own.
# In a subshell, so that its trap is nobody else's.
install_packages() (
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    trap 'as_root rm -f "$policy"' EXIT
    trap 'exit 130' INT
    trap 'exit 143' TERM HUP
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
  fi
  as_root apt-get update -qq
  as_root env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get install -qq -y --no-install-recommends "$@" >/dev/null
)

# require_packages yes|no PACKAGE...: sees to it that they are there; `no` installs nothing.
require_packages() {
  local install=$1 missing
  shift
  if ! command -v dpkg-query >/dev/null; then
    echo "$0: no Debian: this has to be there by other means: $*" >&2
    return
  fi
  mapfile -t missing < <(missing_packages "$@")
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$install" = no ]; then
    echo "$0: missing packages: ${missing[*]}" >&2
    return 1
  fi
  echo "installing ${missing[*]}"
  install_packages "${missing[@]}"
}

# Debian keeps servers where a user's PATH does not look; rustup has a folder of its own.
find_programs() {
  PATH="$PATH:${CARGO_HOME:-${HOME:-/root}/.cargo}/bin:/usr/local/sbin:/usr/sbin:/sbin"
  # What runs here is reached without a proxy.
  no_proxy="127.0.0.1,localhost${no_proxy:+,$no_proxy}"
  NO_PROXY=$no_proxy
  export PATH no_proxy NO_PROXY
  if ! command -v cargo >/dev/null; then
    echo "$0: no cargo: install Rust 1.90 or later, https://rustup.rs" >&2
    return 1
  fi
}

# run COMMAND...: in a process group of its own, without standard input. `end_run` ends the group.
running=
run() {
  local status=0
  setsid "$@" </dev/null &
  running=$!
  wait "$running" || status=$?
  running=
  return "$status"
}

# Ends what `run` has started, if a signal came in between: asks, and after 10 s insists.
end_run() {
  local signal tries
  [ -n "$running" ] || return 0
  for signal in TERM KILL; do
    kill -"$signal" -- "-$running" 2>/dev/null || true
    for ((tries = 0; tries < 100; tries++)); do
      kill -0 -- "-$running" 2>/dev/null || return 0
      sleep 0.1
    done
  done
}
