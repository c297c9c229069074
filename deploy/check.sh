#!/usr/bin/env bash
# Checks what installs the program, as far as the machine allows; says what it could not check.
#
#   deploy/check.sh [files] [image] [package]
#
#   files    (default) the unit by systemd-analyze, the manifests by kubernetes-validate (PyPI), compose.yaml by
#            Docker Compose, PowerDNS's settings by pdns_server: each where it is installed; without the second and
#            the third, that these files are YAML (python3-yaml). What compose.yaml starts is run, without
#            containers, by a test: tests/run.sh --no-lint --test it -- compose
#   image    builds the image and runs it: not root, read-only, its health check, and the older service's
#            variables beside MariaDB, PowerDNS, a CloudStack simulator and its events. Needs Docker and what
#            deploy/demo.sh needs, which is not installed here. Takes minutes
#   package  builds the Debian package (cargo install cargo-deb), then installs, removes and purges it in a root
#            of debootstrap's (DEB_ROOT: one that is there already; it is changed). Needs root. Takes minutes
#
# DOCKER_BUILD, DOCKER_RUN, CARGO_DEB: more arguments for these commands. IMAGE: an image that is built already.
# Exit code: 0 if nothing that was checked is wrong.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export LC_ALL=C

work=$(mktemp -d "${TMPDIR:-/tmp}/cs-powerdns-check.XXXXXX")
container='' servers=''
end() {
  local status=$?
  trap - EXIT
  [ -z "$container" ] || docker rm -f "$container" >/dev/null 2>&1 || true
  if [ -n "$servers" ]; then
    exec 9>&-
    wait "$servers" 2>/dev/null || true
  fi
  rm -rf "$work"
  exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

ok() { printf 'ok       %s\n' "$*"; }
skip() { printf 'skipped  %s\n' "$*"; }
fail() {
  printf 'FAILED   %s\n' "$*" >&2
  exit 1
}
there() { command -v "$1" >/dev/null; }

# within SECONDS COMMAND...: until it succeeds.
within() {
  local end=$((SECONDS + $1))
  shift
  until "$@"; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.5
  done
}

# check_yaml FILE WHY: of a file whose own judge is not here.
check_yaml() {
  if python3 -c 'import yaml' 2>/dev/null; then
    python3 -c 'import sys, yaml; assert list(yaml.safe_load_all(open(sys.argv[1])))' "deploy/$1" >"$work/log" 2>&1 ||
      fail "$1: $(tail -n 1 "$work/log")"
    ok "$1: is YAML ($2)"
  else
    skip "$1: $2"
  fi
}

check_files() {
  if there systemd-analyze; then
    # verify wants the program to be there.
    sed 's#^ExecStart=[^ ]*#ExecStart=/bin/true#' deploy/cs-powerdns.service >"$work/cs-powerdns.service"
    mkdir -p "$work/cs-powerdns.service.d"
    cp deploy/credentials.conf "$work/cs-powerdns.service.d/"
    systemd-analyze verify --man=no "$work/cs-powerdns.service" >"$work/log" 2>&1 || fail "unit: $(cat "$work/log")"
    [ ! -s "$work/log" ] || fail "unit: $(cat "$work/log")"
    # Exposure in tenths: the network and its devices' clock are what is left.
    systemd-analyze security --offline=true --threshold=15 --no-pager "$work/cs-powerdns.service" >"$work/log" 2>&1 ||
      fail "unit: too little is closed: $(tail -n 1 "$work/log")"
    ok "unit: $(tail -n 1 "$work/log" | tr -cd '[:print:]')"
  else
    skip "unit: no systemd-analyze"
  fi
  if there kubernetes-validate; then
    kubernetes-validate --strict --quiet deploy/kubernetes.yaml >"$work/log" 2>&1 || fail "kubernetes.yaml: $(cat "$work/log")"
    ok "kubernetes.yaml: $(grep -c '^kind:' deploy/kubernetes.yaml) objects, strictly"
  else
    check_yaml kubernetes.yaml "no kubernetes-validate"
  fi
  local compose=()
  if docker compose version >/dev/null 2>&1; then
    compose=(docker compose)
  elif there docker-compose; then
    compose=(docker-compose)
  fi
  if [ ${#compose[@]} -gt 0 ]; then
    # Compose 1 knows no name.
    sed /^name:/d deploy/compose.yaml |
      "${compose[@]}" --project-directory deploy -f - --env-file deploy/compose/try.env --profile try config \
        >"$work/log" 2>&1 || fail "compose.yaml: $(cat "$work/log")"
    ok "compose.yaml: read by ${compose[*]}"
  else
    check_yaml compose.yaml "no Docker Compose"
  fi
  if there pdns_server; then
    sed 's/{{[^}]*}}/try/' deploy/compose/pdns.j2 >"$work/pdns.conf"
    pdns_server --config-dir="$work" --config=check >"$work/log" 2>&1 || fail "pdns.j2: $(cat "$work/log")"
    ok "pdns.j2: PowerDNS knows every setting"
  else
    skip "pdns.j2: no pdns_server"
  fi
}

health() { docker inspect -f '{{.State.Health.Status}}' "$container" 2>/dev/null | grep -qx "$1"; }
events_come() { curl --noproxy '*' -sS "http://$listen/metrics" | grep -qx 'cs_powerdns_trigger_partitions 3'; }
answers() { [ "$(dig -r @127.0.0.1 -p "$TESTBED_DNS_PORT" +short "$1" "$2" | sort)" = "$3" ]; }

check_image() {
  there docker || fail "image: no docker"
  image=${IMAGE:-cs-powerdns:check}
  if [ -z "${IMAGE:-}" ]; then
    # shellcheck disable=SC2086 # several arguments
    docker build ${DOCKER_BUILD:-} -q -t "$image" -f deploy/Dockerfile . >/dev/null
  fi
  ok "image: $(($(docker image inspect -f '{{.Size}}' "$image") / 1000000)) MB"
  local run=(docker run --rm --read-only --cap-drop=ALL --security-opt=no-new-privileges --network=none)
  "${run[@]}" "$image" --version | grep -q '^cs-powerdns ' || fail "image: it does not start"
  if "${run[@]}" "$image" health >"$work/log" 2>&1; then fail "image: health without a controller is 0"; fi
  grep -q 'no controller answers at HTTP_LISTEN=127.0.0.1:8053' "$work/log" || fail "image: $(cat "$work/log")"
  ok "image: starts as $(docker image inspect -f '{{.Config.User}}' "$image"), read-only, without a capability"

  # MariaDB, PowerDNS, the simulator with three VMs, the broker: they end with the pipe.
  cargo build --quiet --locked --workspace
  mkfifo "$work/pipe"
  "${CARGO_TARGET_DIR:-target}/debug/testbed" up --demo --env-file "$work/env" <"$work/pipe" >"$work/servers.log" 2>&1 &
  servers=$!
  exec 9>"$work/pipe"
  within 120 test -e "$work/env" || fail "servers: $(cat "$work/servers.log")"
  # shellcheck disable=SC1091 # written just now
  . "$work/env"
  listen=127.0.0.1:$((20000 + RANDOM % 10000))
  # README's example, with these servers.
  # shellcheck disable=SC2086 # several arguments
  container=$(docker run -d --network=host --read-only --cap-drop=ALL --security-opt=no-new-privileges \
    --health-interval=2s --health-start-period=1s \
    -e KAFKA_BOOTSTRAP="$KAFKA_BOOTSTRAP" -e KAFKA_TOPIC="$KAFKA_TOPIC" -e KAFKA_GROUP=cs-powerdns-1 \
    -e CS_ENDPOINT="$CS_ENDPOINT" -e CS_API_KEY="$CS_API_KEY" -e CS_SECRET_KEY="$CS_SECRET_KEY" \
    -e MYSQL_PDNS_HOST="$MYSQL_PDNS_HOST" -e MYSQL_PDNS_PORT="$MYSQL_PDNS_PORT" \
    -e MYSQL_PDNS_NAME="$MYSQL_PDNS_NAME" -e MYSQL_PDNS_USER="$MYSQL_PDNS_USER" \
    -e MYSQL_PDNS_PASSWORD="$MYSQL_PDNS_PASSWORD" -e DNS_RECORD_TTL=60 \
    -e DNS_COMMON_ZONE=cloud.example -e DNS_ADD_TO_COMMON_ZONE=true \
    -e DNS_ZONES=domain.com,cloud.example,10.in-addr.arpa \
    -e HTTP_LISTEN="$listen" ${DOCKER_RUN:-} "$image")
  within 60 health healthy || fail "image: not healthy: $(docker logs "$container" 2>&1 | tail -n 20)"
  ok "image: healthy, by its own health check"
  docker exec "$container" cs-powerdns health --ready >"$work/log" 2>&1 ||
    within 60 docker exec "$container" cs-powerdns health --ready >"$work/log" 2>&1 ||
    fail "image: not ready: $(cat "$work/log")"
  ok "image: $(cat "$work/log")"
  within 60 answers vm-1.domain.com A 10.1.1.11 || fail "image: vm-1.domain.com is not 10.1.1.11"
  within 60 answers 20.1.1.10.in-addr.arpa PTR db-1.domain.com. || fail "image: no PTR for 10.1.1.20"
  within 60 events_come || fail "image: it takes no events: $(docker logs "$container" 2>&1 | tail -n 20)"
  curl --noproxy '*' -sS "$TESTBED_CONTROL/create_vm" -H 'Content-Type: application/json' \
    -d '{"name":"vm9","owner":"'"$TESTBED_ACCOUNT"'","group":"www","v4":"10.1.9.9"}' >/dev/null
  within 60 answers vm9.domain.com A 10.1.9.9 || fail "image: vm9.domain.com is not 10.1.9.9"
  within 60 answers vm9.cloud.example A 10.1.9.9 || fail "image: vm9.cloud.example is not 10.1.9.9"
  within 60 answers 9.9.1.10.in-addr.arpa PTR vm9.domain.com. || fail "image: no PTR for 10.1.9.9"
  within 60 answers www-edd2ab05.domain.com A "$(printf '10.1.1.11\n10.1.1.12\n10.1.9.9')" ||
    fail "image: its group has not its address"
  ok "image: with the older service's variables a new VM has A, PTR, its group, and a name in the common zone"
  docker stop -t 15 "$container" >/dev/null
  [ "$(docker inspect -f '{{.State.ExitCode}}' "$container")" = 0 ] || fail "image: it did not end with 0"
  ok "image: ends with 0 when it is stopped"
}

inside() { chroot "$root" "$@"; }

check_package() {
  [ "$(id -u)" = 0 ] || fail "package: needs root"
  cargo deb --version >/dev/null 2>&1 || fail "package: no cargo-deb: cargo install cargo-deb"
  # shellcheck disable=SC2086 # several arguments
  cargo deb --quiet ${CARGO_DEB:-} --output "$work/cs-powerdns.deb"
  ok "package: built, $(($(stat -c %s "$work/cs-powerdns.deb") / 1000)) kB"
  dpkg-deb --field "$work/cs-powerdns.deb" Depends Version Architecture
  dpkg-deb --contents "$work/cs-powerdns.deb" | grep -q '/cs-powerdns/deploy/guides/first-install.md$' ||
    fail "package: README's guides are not in it"
  root=${DEB_ROOT:-}
  if [ -z "$root" ]; then
    root=$work/root
    # The suite of this machine, whose libraries the program was linked against.
    # shellcheck disable=SC1091
    debootstrap --variant=minbase "$(. /etc/os-release && echo "$VERSION_CODENAME")" "$root" >"$work/log" 2>&1 ||
      fail "package: debootstrap: $(tail -n 5 "$work/log")"
  fi
  cp "$work/cs-powerdns.deb" "$root/tmp/"
  inside apt-get update -qq
  inside env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends /tmp/cs-powerdns.deb >"$work/log" 2>&1 ||
    fail "package: $(tail -n 20 "$work/log")"
  inside cs-powerdns --version | grep -q '^cs-powerdns ' || fail "package: the program does not run"
  [ "$(stat -c '%a %U' "$root/etc/default/cs-powerdns")" = '640 root' ] || fail "package: anybody may read its settings"
  [ -f "$root/lib/systemd/system/cs-powerdns.service" ] || [ -f "$root/usr/lib/systemd/system/cs-powerdns.service" ] ||
    fail "package: no unit"
  [ -z "$(find "$root/etc/systemd/system" -name 'cs-powerdns*')" ] || fail "package: enabled without settings"
  ok "package: installed, runs; its settings are root's"
  # A shell and the service read the same file.
  sed 's/^#\([A-Z_]*=\)/\1/' "$root/etc/default/cs-powerdns" >"$work/default"
  [ "$(env -i sh -euc ". $work/default; echo \$KAFKA_TOPIC")" = cs-events ] ||
    fail "package: a shell cannot read /etc/default/cs-powerdns"
  echo "DNS_RECORD_TTL='300'" >>"$root/etc/default/cs-powerdns"
  inside dpkg -i /tmp/cs-powerdns.deb >"$work/log" 2>&1 || fail "package: $(tail -n 20 "$work/log")"
  grep -q "DNS_RECORD_TTL='300'" "$root/etc/default/cs-powerdns" || fail "package: it overwrites settings"
  inside apt-get remove -qq -y cs-powerdns >"$work/log" 2>&1 || fail "package: $(tail -n 20 "$work/log")"
  [ ! -e "$root/usr/bin/cs-powerdns" ] || fail "package: the program is left"
  [ -f "$root/etc/default/cs-powerdns" ] || fail "package: removing takes the settings along"
  inside apt-get purge -qq -y cs-powerdns >"$work/log" 2>&1 || fail "package: $(tail -n 20 "$work/log")"
  [ -z "$(find "$root/etc" "$root/lib/systemd" "$root/var/lib/systemd" "$root/usr/share/doc" -path '*cs-powerdns*' 2>/dev/null)" ] ||
    fail "package: purging leaves $(find "$root/etc" "$root/lib/systemd" "$root/var/lib/systemd" -name '*cs-powerdns*')"
  ok "package: settings outlive an upgrade and a removal; a purge leaves nothing"
}

[ $# -gt 0 ] || set -- files
for what in "$@"; do
  case "$what" in
    files | image | package) "check_$what" ;;
    --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}" ;;
    *)
      echo "$0: no such argument: $what (try --help)" >&2
      exit 1
      ;;
  esac
done
