# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
#
# What up, down, test and faults have in common. Sourced, never run.

repository=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)

say() {
    printf '%s\n' "$*"
}

# Both lines of an error: what is wrong, and what to do.
fail() {
    printf 'error: %s\n' "$1" >&2
    if (($# > 1)); then
        printf '       %s\n' "$2" >&2
    fi
    exit 1
}

# What is wrong with the command line, and what would be right where that is known.
misuse() {
    printf 'error: %s\n' "$1" >&2
    printf '       %s\n' "${2:-$0 --help shows how}" >&2
    exit 64
}

as_root() {
    if [[ $(id -u) == 0 ]]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        fail "root is needed to install packages, and there is no sudo" "run this once as root, or install: ${missing[*]}"
    fi
}

# --- Tools ------------------------------------------------------------------------------------------------------------

# Finds Swift 6.2 or later and leaves its folder in PATH.
require_swift() {
    local folder version
    if ! command -v swift >/dev/null; then
        for folder in /opt/swift/usr/bin /usr/share/swift/usr/bin "${HOME:-/root}/.local/share/swiftly/bin"; do
            if [[ -x $folder/swift ]]; then
                export PATH=$folder:$PATH
                break
            fi
        done
    fi
    command -v swift >/dev/null || fail "there is no Swift on this machine" \
        "install Swift 6.3 for Debian 12 from https://www.swift.org/install/linux/ and put its usr/bin into PATH, or unpack it to /opt/swift"
    version=$(swift --version 2>/dev/null | sed -n 's/.*Swift version \([0-9]*\.[0-9]*\).*/\1/p' | head -n 1)
    if [[ -z $version ]] || ((${version%%.*} < 6 || (${version%%.*} == 6 && ${version#*.} < 2))); then
        fail "Swift ${version:-of an unknown version} is too old" "install Swift 6.2 or later: https://www.swift.org/install/linux/"
    fi
}

# The folder of the newest Postgres server programs, 15 or later; fails without one.
postgres_programs() {
    local folder version newest=
    for folder in /usr/lib/postgresql/*/bin; do
        version=${folder#/usr/lib/postgresql/}
        version=${version%/bin}
        if [[ $version =~ ^[0-9]+$ && -x $folder/initdb && $version -ge 15 && $version -ge ${newest:-0} ]]; then
            newest=$version
        fi
    done
    [[ -n $newest ]] && printf '/usr/lib/postgresql/%s/bin\n' "$newest"
}

has_package() {
    [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

# Installs what building and running needs, if it is not there yet. Further packages may be named.
require_packages() {
    missing=()
    local package
    for package in libpq-dev libhiredis-dev liblz4-dev "$@"; do
        has_package "$package" || missing+=("$package")
    done
    for package in curl jq git pkg-config; do
        command -v "$package" >/dev/null || missing+=("$package")
    done
    command -v redis-server >/dev/null || missing+=(redis-server)
    command -v psql >/dev/null || missing+=(postgresql-client)
    postgres_programs >/dev/null || missing+=(postgresql)
    if ((${#missing[@]} == 0)); then
        return
    fi
    command -v apt-get >/dev/null \
        || fail "not installed: ${missing[*]}" "this machine has no apt-get; install them in its own way (names are Debian's)"
    say "Installing with apt: ${missing[*]}"
    install_packages "${missing[@]}"
}

# Installs packages without starting, or arranging for the start of, any service of the system.
install_packages() {
    as_root bash -euo pipefail -s -- "$@" <<'ROOT'
guard=/usr/sbin/policy-rc.d
clusters=/etc/postgresql-common/createcluster.conf
kept_guard=
kept_clusters=
restore() {
    rm -f "$guard"
    if [[ -n $kept_guard ]]; then mv "$kept_guard" "$guard"; fi
    if [[ -n $kept_clusters ]]; then cat "$kept_clusters" >"$clusters" && rm -f "$kept_clusters"; fi
}
install() {
    DEBIAN_FRONTEND=noninteractive apt-get install --yes --quiet --no-install-recommends \
        -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0 "$@" </dev/null
}
trap restore EXIT
# Debian asks this program before a package starts or stops a service (invoke-rc.d(8)); 101 means no.
if [[ -e $guard ]]; then
    kept_guard=$(mktemp "$guard.XXXXXX")
    cp -p "$guard" "$kept_guard"
fi
printf '#!/bin/sh\nexit 101\n' >"$guard"
chmod 755 "$guard"

apt-get update --quiet -o DPkg::Lock::Timeout=300 </dev/null || echo "apt-get update failed; trying with the lists at hand"
if [[ " $* " == *" postgresql "* ]]; then
    # The server package would create a cluster of the system's own, to be started at the next boot.
    install postgresql-common
    kept_clusters=$(mktemp)
    cat "$clusters" >"$kept_clusters"
    printf '\ncreate_main_cluster = false\n' >>"$clusters"
fi
install "$@"
for service in redis-server pgbouncer; do
    if [[ " $* " == *" $service "* ]] && [[ -d /run/systemd/system ]]; then
        systemctl disable "$service.service" >/dev/null 2>&1 || true
    fi
done
ROOT
}

# --- Building ---------------------------------------------------------------------------------------------------------

# Builds products of the package, the configuration first: debug is what `swift build --build-tests` leaves too.
build_programs() {
    local product
    for product in "${@:2}"; do
        swift build --package-path "$repository" --configuration "$1" --product "$product"
    done
}

# --- Processes --------------------------------------------------------------------------------------------------------

# Whether the process of a pid file lives and is still the program that wrote it: pid_file, part of its command line.
is_running() {
    local pid
    [[ -r $1 ]] && read -r pid <"$1" && [[ $pid =~ ^[0-9]+$ ]] \
        && tr '\0' ' ' 2>/dev/null <"/proc/$pid/cmdline" | grep -qF -- "$2" \
        && ! grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null
}

# Whether the process of a pid file is gone. Of one that was started a moment ago is_running does not tell: while it becomes
# another program its command line is empty.
has_ended() {
    local pid=
    if [[ -r $1 ]]; then read -r pid <"$1" || true; fi
    [[ -z $pid || ! -e /proc/$pid ]] || grep -q '^State:[[:space:]]*Z' "/proc/$pid/status" 2>/dev/null
}

# Ends the process of a pid file: TERM, then KILL after some seconds. Arguments: pid_file, part of its command line, seconds.
stop_process() {
    local pid deadline
    if is_running "$1" "$2"; then
        read -r pid <"$1"
        kill -TERM "$pid" 2>/dev/null || true
        deadline=$((SECONDS + $3))
        while is_running "$1" "$2"; do
            if ((SECONDS >= deadline)); then
                say "  it did not stop within $3 s and was killed; see its log"
                kill -KILL "$pid" 2>/dev/null || true
                break
            fi
            sleep 0.1
        done
    fi
    rm -f "$1"
}

# Removes the pid files of processes that are gone. One that is just being written, or whose process is just being started
# by another scripts/up, stays.
clear_gone() {
    local file pid
    for file in "$pids"/*.pid; do
        pid=
        if [[ -r $file ]]; then read -r pid <"$file" || true; fi
        if [[ $pid =~ ^[0-9]+$ && ! -e /proc/$pid ]]; then rm -f "$file"; fi
    done
}

# The names of the nodes that run, one a line. Arguments: roles.
running_nodes() {
    local role file name
    for role; do
        for file in "$pids/$role".*.pid; do
            name=${file#"$pids/$role."}
            name=${name%.pid}
            if is_running "$file" "run $name"; then printf '%s\n' "$name"; fi
        done
    done
}

# Whether something accepts connections at HOST PORT.
port_is_open() {
    (exec 3<>"/dev/tcp/$1/$2") 2>/dev/null
}

# --- State folder -----------------------------------------------------------------------------------------------------

# Sets the paths of everything that a cluster started by `up` leaves on the disk.
use_state() {
    state=${TRUNKLINE_STATE:-$repository/.state}
    [[ $state == /* ]] || state=$PWD/$state
    logs=$state/logs
    pids=$state/pids
    secrets=$state/secrets
    # Postgres does not run as root; where its data lies is kept here, see place_postgres in scripts/up.
    postgres_place=$state/postgres.place
}

# Runs a program as the user that owns the private databases: postgres for root, oneself otherwise.
as_postgres() {
    if [[ $(id -u) == 0 ]]; then
        # Postgres programs complain about a working folder that they may not enter.
        (cd / && setpriv --reuid=postgres --regid=postgres --init-groups -- env HOME=/var/lib/postgresql "$@")
    else
        "$@"
    fi
}

# The data folders of the private databases whose server runs, one a line.
running_postgres() {
    local place data programs
    [[ -s $postgres_place ]] && programs=$(postgres_programs) || return 0
    place=$(<"$postgres_place")
    for data in "$place"/*/; do
        data=${data%/}
        if as_postgres "$programs/pg_ctl" status -D "$data" >/dev/null 2>&1; then
            printf '%s\n' "$data"
        fi
    done
}
