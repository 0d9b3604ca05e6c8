#!/bin/sh
# Makes sure that the tests have what they need: compilers of C and C++, PostgreSQL and MariaDB, Java and Python with the clients
# that connect, and two public databases. The tests start private
# instances of the two on free ports, so no service of the system has to run.
#
# As root on Debian it installs what is missing; otherwise it says what to install, and fails.
set -eu

# PostgreSQL's server programs are not in the search path on Debian; the newest is taken.
has_postgres() {
    command -v initdb >/dev/null 2>&1 || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1
}

has_mariadb() {
    { command -v mariadbd || ls /usr/sbin/mariadbd; } >/dev/null 2>&1 &&
        command -v mariadb-install-db >/dev/null 2>&1
}

missing() {
    list=''
    command -v cc >/dev/null 2>&1 || list="$list gcc libc6-dev"
    command -v c++ >/dev/null 2>&1 || list="$list g++"
    has_postgres || list="$list postgresql"
    has_mariadb || list="$list mariadb-server"
    command -v java >/dev/null 2>&1 || list="$list default-jdk-headless"
    command -v mvn >/dev/null 2>&1 || list="$list maven"
    python3 -c 'import ensurepip, venv' >/dev/null 2>&1 || list="$list python3 python3-venv"
    echo "$list"
}

clients() {
    sh "$(dirname "$0")/clients.sh"
    sh "$(dirname "$0")/samples.sh"
}

packages=$(missing)
if [ -z "$packages" ]; then
    clients
    exit 0
fi

if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null 2>&1; then
    echo "the tests need these Debian packages or their like:$packages" >&2
    echo "install them (on Debian: sudo apt-get install$packages) and run this again" >&2
    exit 1
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update
# The tests bring their own instances: the packages must not start theirs, also where nothing could start them.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod 755 /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
# shellcheck disable=SC2086
apt-get install --yes --no-install-recommends $packages </dev/null

packages=$(missing)
if [ -n "$packages" ]; then
    echo "still missing after the installation:$packages" >&2
    exit 1
fi
clients
