#!/usr/bin/env bash
# Everything that is checked before a change lands: installs what is missing (Debian 12), then
# formatting, lints, build, and all tests against real servers that end with this script.
#
#   tests/run.sh [--no-install] [--no-lint] [--quick | --powerdns VERSION] [ARGUMENTS OF cargo test ...]
#
#   --no-install  install nothing: say what is missing and stop
#   --no-lint     no rustfmt, clippy and cargo-deny
#   --quick       no servers: the library's own tests and the architecture's
#   --powerdns VERSION
#                 with PowerDNS 4.7, 4.9 or 5.1 instead of the installed one: out of Debian's archive (by
#                 apt, no root, 80 MB each below target/powerdns). Without further arguments the topics
#                 run that hang most on what PowerDNS does
#
# Further arguments go to cargo test: `tests/run.sh --no-lint --test it -- kafka`.
# cargo-deny runs where it is installed.
#
# CS_POWERDNS_TEST_STEPS=N makes the random histories that rectify-zone judges longer (300 operations each,
# on an idle core 3 a second where it judges each one, 25 where it judges several at once),
# CS_POWERDNS_TEST_SEED=N makes others.
# Kills: CS_POWERDNS_TEST_KILLS=N kills N controllers in each of four labs (13), at other moments by that seed.
# CS_POWERDNS_TEST_LISTING=N lets the long listing last N seconds (15).
# CS_POWERDNS_TEST_PICTURES=FOLDER keeps pictures of the page there, wide and narrow, light and dark.
# PROPTEST_CASES=N makes the property tests of the library longer (256 cases each): 20000 of those that read
# hostile text take five minutes on a busy core.
# The sweep over faults visits some of the points at which something can fail, by that seed;
# CS_POWERDNS_TEST_POINTS=all visits all of them with every fault (half an hour and more).
# CS_POWERDNS_TEST_HISTORIES=N makes more histories of the simulation (150; 30 a second on an idle core), from
# that seed on: `CS_POWERDNS_TEST_HISTORIES=100000 tests/run.sh --no-lint --quick simulation -- --nocapture`
# takes an hour. CS_POWERDNS_TEST_HISTORY=FILE plays one that it has printed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/debian.sh
. deploy/debian.sh

install=yes lint=yes quick=no powerdns=
while [ $# -gt 0 ]; do
  case "$1" in
    --no-install) install=no ;;
    --no-lint) lint=no ;;
    --quick) quick=yes ;;
    --powerdns)
      powerdns=${2:?--powerdns 4.7, 4.9 or 5.1}
      shift
      ;;
    --help | -h)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *) break ;;
  esac
  shift
done

trap end_run EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

step() { printf '== %s (at %d s)\n' "$*" "$SECONDS"; }

find_programs
# The tests also ask with a client in Python, a broker comes as a Python package, and a secondary that
# nobody here wrote transfers zones; certificates are made by openssl. Nodes of a cluster copy by rsync, whose
# script asks lsof; libfaketime sets a process's clock. Of prometheus it is promtool that judges metrics and alerts:
# nothing of it is started. A browser looks at the page.
require_packages "$install" "${packages[@]}" python3 python3-pip knot openssl galera-4 rsync lsof libfaketime \
  prometheus chromium chromium-driver \
  ${powerdns:+debian-archive-keyring}

# Most tests wait for servers, not for a core.
export RUST_TEST_THREADS="${RUST_TEST_THREADS:-$((2 * $(nproc)))}"
# A panic shows where; errors that are values need no trace, which would cost time in every retry.
export RUST_BACKTRACE="${RUST_BACKTRACE:-1}" RUST_LIB_BACKTRACE="${RUST_LIB_BACKTRACE:-0}"
# Hundreds of crates are named only where somebody watches.
quiet=(--quiet)
[ ! -t 2 ] || quiet=()

if [ "$lint" = yes ]; then
  step "rustfmt"
  run cargo fmt --all --check
  step "clippy"
  run cargo clippy "${quiet[@]}" --locked --workspace --all-targets -- -D warnings
  if command -v cargo-deny >/dev/null; then
    step "cargo-deny"
    run cargo deny check licenses bans sources
  fi
fi

if [ "$quick" = yes ]; then
  step "tests without servers"
  run cargo test --quiet --no-fail-fast --locked --workspace --lib --test arrows "$@"
else
  if [ -n "$powerdns" ]; then
    step "PowerDNS $powerdns"
    CS_POWERDNS_TEST_POWERDNS=$PWD/target/powerdns/$powerdns
    export CS_POWERDNS_TEST_POWERDNS
    run tests/powerdns.sh "$powerdns" "$CS_POWERDNS_TEST_POWERDNS"
    # A filter finds each test whose path contains it.
    [ $# -gt 0 ] || set -- --test it -- rectify_ signed tools_ secondary flush serial refusals schemas rules_ \
      grants zone_changes foreign crowd purge migration
  fi
  step "build"
  # Always the whole workspace: a part of it would unify features otherwise and build librdkafka again.
  run cargo build "${quiet[@]}" --locked --workspace --all-targets
  step "tests"
  run "${CARGO_TARGET_DIR:-target}/debug/testbed" run -- \
    cargo test --quiet --no-fail-fast --locked --workspace "$@"
fi
step "all is well"
