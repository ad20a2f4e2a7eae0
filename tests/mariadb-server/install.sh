#!/bin/sh
# Installs Debian's MariaDB for the tests, if it is missing (as root). The tests start servers of their own.
set -eu

[ -x /usr/sbin/mariadbd ] && exit 0
echo "installing: mariadb-server" >&2
if [ "$(id -u)" -ne 0 ]; then
    echo "error: that needs root" >&2
    echo "hint: apt-get install mariadb-server" >&2
    exit 1
fi
# Debian starts installed services.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq >&2
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends mariadb-server >/dev/null
