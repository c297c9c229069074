#!/usr/bin/env bash
# A tour: MariaDB, PowerDNS, a CloudStack simulator with its events, and the controller. VMs come, change
# and go; after each step it shows what dig gets from PowerDNS, and how long it took to get there.
#
#   deploy/demo.sh [--no-install] [--keep]
#
#   --no-install  install nothing: say what is missing and stop
#   --keep        leave everything up at the end, and say how to play with it and how to end it
#
# Exit code: 0 when every answer was as expected, 1 when one was not. On Debian 12; needs Rust,
# installs the rest, uses free ports of 127.0.0.1 and a temporary folder, and leaves neither behind.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=deploy/debian.sh
. deploy/debian.sh
export LC_ALL=C

# An event is served in well below a second; a resync is begun every so often.
limit=60 resync=10

install=yes keep=no
while [ $# -gt 0 ]; do
  case "$1" in
    --no-install) install=no ;;
    --keep) keep=yes ;;
    --help | -h)
      sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "${BASH_SOURCE[0]}"
      exit 0
      ;;
    *)
      echo "$0: no such argument: $1 (try --help)" >&2
      exit 1
      ;;
  esac
  shift
done

# --- what runs, and how it ends ------------------------------------------------------------------------

# Everything hangs on one pipe: the servers and a janitor read it, only this script (with --keep, a
# `sleep`) holds its other end. However that ends, the pipe ends, and all else follows.
work='' controller='' servers='' janitor=''

# await PROCESS: waits for its end, if there is one.
await() { [ -z "$1" ] || wait "$1" 2>/dev/null || true; }

end() {
  local status=$?
  trap - EXIT
  trap '' INT TERM HUP
  end_run
  if [ -n "$work" ]; then
    if [ "$keep" = yes ] && [ -n "$controller" ] && [ "$status" -lt 128 ]; then
      stay
    else
      [ -z "$controller" ] || kill "$controller" 2>/dev/null || true
      await "$controller"
      exec 9>&-
      await "$servers"
      await "$janitor"
      rm -rf "$work"
    fi
  fi
  exit "$status"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

start_servers() {
  work=$(mktemp -d "${TMPDIR:-/tmp}/cs-powerdns-demo.XXXXXX")
  mkfifo "$work/pipe"
  "$bin/testbed" up --empty --env-file "$work/env" <"$work/pipe" >"$work/servers.log" 2>&1 &
  servers=$!
  # Opening waits until the servers read.
  exec 9>"$work/pipe"
  until [ -e "$work/env" ]; do
    kill -0 "$servers" 2>/dev/null || fail "the servers did not start:" "$(cat "$work/servers.log")"
    sleep 0.05
  done
  cat >>"$work/env" <<END
export DNS_COMMON_ZONE='cloud.example'
export DNS_ADD_TO_COMMON_ZONE='true'
export DNS_ZONES='domain.com,cloud.example,10.in-addr.arpa,8.b.d.0.1.0.0.2.ip6.arpa'
export RESYNC_INTERVAL='${resync}s'
export RESYNC_MIN_INTERVAL='1s'
END
  # shellcheck disable=SC1091 # written just now
  . "$work/env"
}

start_controller() {
  # These variables and no others: what the caller has set is not the demo's.
  # shellcheck disable=SC2016
  env -i PATH="$PATH" bash -c '. "$1"; exec "$2" run' - "$work/env" "$bin/cs-powerdns" \
    </dev/null >"$work/controller.log" 2>&1 9>&- &
  controller=$!
  # Ends the controller and the folder where this script is killed and cannot.
  (
    trap '' INT TERM HUP
    cat <"$work/pipe" >/dev/null
    kill "$controller" 2>/dev/null || true
    rm -rf "$work"
  ) </dev/null >/dev/null 2>&1 9>&- &
  janitor=$!
  local begin=$EPOCHREALTIME
  until get readyz >/dev/null && [ "$(metric cs_powerdns_trigger_partitions)" = 3 ]; do
    kill -0 "$controller" 2>/dev/null || fail "the controller has ended"
    [ "$(since "$begin")" -lt $((limit * 1000)) ] || fail "the controller is not ready: $(get readyz 2>&1)"
    sleep 0.05
  done
}

# --keep: something else holds the pipe from now on.
stay() {
  # In a session of its own: no terminal ends it. A plain `kill` does.
  (trap - INT TERM HUP && exec setsid sleep infinity) </dev/null >/dev/null 2>&1 &
  local holder=$!
  disown -a
  exec 9>&-
  cat <<END

All is still running; its log is $work/controller.log. In another shell, or in this one:

$(cat "$work/env")

These lines are also in a file. For example:

  . $work/env
  dig @127.0.0.1 -p \$TESTBED_DNS_PORT +short front1.domain.com
  curl -s \$TESTBED_CONTROL/create_vm --json '{"name":"vm9","owner":"'\$TESTBED_ACCOUNT'","v4":"10.1.9.9"}'
  curl -s \$TESTBED_CONTROL/world --json '{}' | jq .vms
  curl -s http://\$HTTP_LISTEN/status | jq .
  mariadb --no-defaults -h 127.0.0.1 -P \$TESTBED_MYSQL_PORT -u root pdns
  $bin/cs-powerdns plan

To end it, and remove the folder: kill $holder
END
}

# --- asking --------------------------------------------------------------------------------------------

fail() {
  printf '\n'
  printf '%s\n' "$@" >&2
  [ ! -s "$work/controller.log" ] || { echo "the controller's log ends:" && tail -n 20 "$work/controller.log"; } >&2
  exit 1
}

get() { curl --noproxy '*' -sSf --max-time 5 "http://$HTTP_LISTEN/$1" 2>/dev/null; }

# metric NAME: its value; nothing while there is none.
metric() { get metrics | awk -v name="$1" '$1 == name { print $2 }' || true; }

# since TIME: milliseconds, of $EPOCHREALTIME, which has six decimals.
since() { echo $(((${EPOCHREALTIME/./} - ${1/./}) / 1000)); }

# answer NAME TYPE: what PowerDNS says, sorted, in one line. A PTR is asked for by its address.
answer() {
  local question=(-q "$1" -t "$2") text
  [ "$2" != PTR ] || question=(-x "$1")
  text=$(dig -r @127.0.0.1 -p "$TESTBED_DNS_PORT" +norecurse +time=2 +tries=1 +short "${question[@]}" | sort) || true
  echo "${text:-no record}" | paste -sd ' '
}

show() { printf '   %-24s %-4s  %-34s %s\n' "$@"; }

# expect NAME TYPE [VALUE...]: waits until that, in order, is the answer. No VALUE: no record.
expect() {
  local name=$1 type=$2 got
  shift 2
  local wanted=${*:-no record}
  while got=$(answer "$name" "$type") && [ "$got" != "$wanted" ]; do
    [ "$(since "$changed")" -lt $((limit * 1000)) ] ||
      fail "wrong: $name $type" "  expected: $wanted" "  answered: $got (for $limit s)"
    sleep 0.01
  done
  show "$name" "$type" "$got" "after $(since "$changed") ms"
}

# still NAME TYPE [VALUE...]: that is the answer now.
still() {
  local name=$1 type=$2 got
  shift 2
  got=$(answer "$name" "$type")
  [ "$got" = "${*:-no record}" ] || fail "wrong: $name $type" "  expected: ${*:-no record}" "  answered: $got"
  show "$name" "$type" "$got" "still"
}

# --- changing ------------------------------------------------------------------------------------------

step() {
  printf '\n%s\n' "$*"
  changed=$EPOCHREALTIME
}

# cloud CALL JQ-OBJECT: a change in CloudStack. Prints the id of what was made.
cloud() {
  local answer
  answer=$(jq -nc "$2" | curl --noproxy '*' -sS --max-time 10 -H 'Content-Type: application/json' --data @- \
    "$TESTBED_CONTROL/$1") || fail "the simulator did not answer"
  jq -e .ok >/dev/null <<<"$answer" || fail "the simulator refused $1: $answer"
  jq -r '.id // empty' <<<"$answer"
}

vm() { cloud create_vm "{owner: \"$TESTBED_ACCOUNT\"} + $1"; }

sql() { mariadb --no-defaults --protocol=tcp -h 127.0.0.1 -P "$TESTBED_MYSQL_PORT" -u root pdns -e "$1"; }

# whole_resync: waits until a resync that has begun after now has ended.
whole_resync() {
  local before name='cs_powerdns_passes_total{pass="resync",result="success"}'
  before=$(metric "$name")
  # The first that ends may have begun before.
  until [ "$(metric "$name")" -ge $((before + 2)) ]; do
    [ "$(since "$changed")" -lt $(((limit + 2 * resync) * 1000)) ] || fail "no resync has ended"
    sleep 0.1
  done
}

serials() {
  local zone
  for zone in ${DNS_ZONES//,/ }; do answer "$zone" SOA; done
}

# --- the tour ------------------------------------------------------------------------------------------

find_programs
require_packages "$install" "${packages[@]}"
echo "Building (debug; minutes at the first time) ..."
run cargo build --quiet --locked --workspace
bin=$(realpath "${CARGO_TARGET_DIR:-target}")/debug

echo "Starting MariaDB, PowerDNS (its caches off), the simulator, a Kafka broker, the controller ..."
start_servers
start_controller
echo "Ready. Domain acme has the network domain domain.com; common zone cloud.example; resync every $resync s."

step "1. VM web1 is created, 10.1.1.11"
web=$(vm '{name: "web1", v4: "10.1.1.11"}')
expect web1.domain.com A 10.1.1.11
expect web1.cloud.example A 10.1.1.11
expect 10.1.1.11 PTR web1.domain.com.

step "2. VM db1 is created, with IPv4 and IPv6"
db=$(vm '{name: "db1", v4: "10.1.1.20", v6: "2001:db8::20"}')
expect db1.domain.com A 10.1.1.20
expect db1.domain.com AAAA 2001:db8::20
expect 10.1.1.20 PTR db1.domain.com.
expect 2001:db8::20 PTR db1.domain.com.

step "3. Two VMs of group www, account edd2ab05-98ba-4b65-b94f-14ec595e37a3"
www=$(vm '{name: "www1", group: "www", v4: "10.1.1.31"}')
vm '{name: "www2", group: "www", v4: "10.1.1.32"}' >/dev/null
expect www-edd2ab05.domain.com A 10.1.1.31 10.1.1.32
expect www1.domain.com A 10.1.1.31
expect 10.1.1.32 PTR www2.domain.com.

step "4. web1 is renamed front1"
cloud rename "{id: \"$web\", name: \"front1\"}"
expect front1.domain.com A 10.1.1.11
expect web1.domain.com A
expect 10.1.1.11 PTR front1.domain.com.

step "5. db1 gets other addresses"
cloud set_address "{id: \"$db\", v4: \"10.1.1.21\", v6: \"2001:db8::21\"}"
expect db1.domain.com A 10.1.1.21
expect db1.domain.com AAAA 2001:db8::21
expect 10.1.1.21 PTR db1.domain.com.
expect 2001:db8::21 PTR db1.domain.com.
expect 10.1.1.20 PTR

step "6. An operator edits www1's A with SQL, as Poweradmin does, and db1's AAAA by the PowerDNS API"
sql "UPDATE records SET content = '10.9.9.9' WHERE name = 'www1.domain.com' AND type = 'A'"
jq -nc '{rrsets: [{name: "db1.domain.com.", type: "AAAA", ttl: 300, changetype: "REPLACE",
    records: [{content: "2001:db8::99", disabled: false}]}]}' |
  curl --noproxy '*' -sSf --max-time 10 -X PATCH -H "X-API-Key: $PDNS_API_KEY" --data @- \
    "$PDNS_API_URL/api/v1/servers/localhost/zones/domain.com." || fail "the PowerDNS API refused"
expect www1.domain.com A 10.9.9.9
expect db1.domain.com AAAA 2001:db8::99

step "   ... then both VMs get other addresses: their other names follow, what was edited stays"
cloud set_address "{id: \"$www\", v4: \"10.1.1.41\"}"
cloud set_address "{id: \"$db\", v4: \"10.1.1.22\", v6: \"2001:db8::22\"}"
expect www1.cloud.example A 10.1.1.41
expect www-edd2ab05.domain.com A 10.1.1.32 10.1.1.41
expect 10.1.1.41 PTR www1.cloud.example.
expect db1.cloud.example AAAA 2001:db8::22
expect 2001:db8::22 PTR db1.cloud.example.
still www1.domain.com A 10.9.9.9
still db1.domain.com AAAA 2001:db8::99

step "   ... and a whole resync"
whole_resync
still www1.domain.com A 10.9.9.9
still db1.domain.com AAAA 2001:db8::99

step "7. www1 is destroyed: what the controller wrote goes, the operator's edit stays"
cloud destroy "{id: \"$www\"}"
expect www1.cloud.example A
expect www-edd2ab05.domain.com A 10.1.1.32
expect 10.1.1.41 PTR
still www1.domain.com A 10.9.9.9

step "8. An event is lost: front1's address changes, and nobody hears of it before the next resync"
cloud set_address "{silent: true, id: \"$web\", v4: \"10.1.1.12\"}"
expect front1.domain.com A 10.1.1.12
expect 10.1.1.12 PTR front1.domain.com.
expect 10.1.1.11 PTR

step "9. Nothing changes: a whole resync leaves every SOA serial as it was"
before=$(serials)
whole_resync
[ "$(serials)" = "$before" ] || fail "a serial has moved" "before: $before" "after: $(serials)"
show domain.com SOA "$(answer domain.com SOA | cut -d ' ' -f 3)" "still"

if [ "$keep" = no ]; then
  step "10. The controller is told to end"
  kill "$controller"
  status=0
  wait "$controller" || status=$?
  controller=''
  [ "$status" = 0 ] || fail "it ended with exit code $status"
  echo "   exit code 0 after $(since "$changed") ms"
fi
printf '\nAll answers were right.\n'
