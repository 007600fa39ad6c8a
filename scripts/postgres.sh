#!/usr/bin/env bash
# A private PostgreSQL for tests: `postgres.sh start DIR` makes a cluster in DIR on a free port of loopback and
# prints its URL; `postgres.sh stop DIR` stops it and removes DIR. `postgres.sh restart DIR fast` ends all connections and
# starts it again at the same port, `immediate` kills its processes. `postgres.sh bindir` prints the directory of its programs.

source "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

START_S=60

# Debian keeps the server's programs out of PATH, one directory per version; the newest is taken.
bindir() {
    local newest
    newest="$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null | sort -V | tail -n 1 || true)"
    [ -n "$newest" ] || newest="$(command -v initdb)" || return 1
    dirname "$newest"
}

# PostgreSQL refuses to run as root.
owner() {
    if id postgres >/dev/null 2>&1; then echo postgres; else echo nobody; fi
}

as_owner() {
    if [ "$(id -u)" -ne 0 ]; then
        "$@"
        return
    fi
    local user
    user="$(owner)"
    # Its working directory must be one it may enter.
    (cd / && setpriv --reuid="$user" --regid="$(id -g "$user")" --clear-groups env HOME=/ "$@")
}

start() {
    local directory="$1" bin port password url attempt
    bin="$(bindir)" || die "PostgreSQL is not installed." "scripts/setup.sh test installs it."
    mkdir -p "$directory"
    password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
    (umask 077 && printf '%s\n' "$password" >"$directory/password")
    [ "$(id -u)" -ne 0 ] || chown -R "$(owner)" "$directory"
    as_owner "$bin/initdb" --pgdata="$directory/data" --username=restage --pwfile="$directory/password" \
        --auth=scram-sha-256 --encoding=UTF8 --locale=C.UTF-8 --no-sync >"$directory.log" 2>&1 ||
        die "initdb failed:" "$(tail -n 5 "$directory.log")"
    # Another process may take a free port before PostgreSQL does.
    for attempt in 1 2 3 4 5; do
        port="$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')"
        # The cluster is temporary, so nothing needs to be durable.
        if as_owner "$bin/pg_ctl" --pgdata="$directory/data" --log="$directory/postgres.log" --wait --timeout="$START_S" \
            --options="-p $port -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off \
                -c max_connections=300 -c shared_buffers=128MB" start >>"$directory.log" 2>&1 </dev/null; then
            url="postgres://restage:$password@127.0.0.1:$port/postgres"
            printf '%s\n' "$url"
            return
        fi
    done
    die "PostgreSQL does not start (attempt $attempt):" "$(tail -n 5 "$directory.log")"
}

stop() {
    local directory="$1" bin
    bin="$(bindir)" || return 0
    [ ! -e "$directory/data/postmaster.pid" ] ||
        as_owner "$bin/pg_ctl" --pgdata="$directory/data" --mode=immediate --wait stop >/dev/null 2>&1 || true
    rm -rf "$directory" "$directory.log"
}

restart() {
    local directory="$1" mode="$2" bin
    bin="$(bindir)" || die "PostgreSQL is not installed." "scripts/setup.sh test installs it."
    # The port and the other options are those of the start.
    as_owner "$bin/pg_ctl" --pgdata="$directory/data" --log="$directory/postgres.log" --mode="$mode" --wait \
        --timeout="$START_S" restart >>"$directory.log" 2>&1 </dev/null ||
        die "PostgreSQL does not start again:" "$(tail -n 5 "$directory.log")"
}

case "${1:-}" in
bindir) bindir ;;
start) start "$2" ;;
stop) stop "$2" ;;
restart) restart "$2" "$3" ;;
*) die "postgres.sh takes 'start DIR', 'stop DIR', 'restart DIR fast|immediate' or 'bindir'" ;;
esac
