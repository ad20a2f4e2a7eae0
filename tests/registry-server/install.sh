#!/bin/sh
# Installs Debian's docker-registry for the tests, and what makes its keys, if they are missing (as root). The tests start
# servers of their own.
set -eu

missing=
command -v docker-registry >/dev/null || missing="$missing docker-registry"
command -v openssl >/dev/null || missing="$missing openssl"
command -v minisign >/dev/null || missing="$missing minisign"
command -v perl >/dev/null || missing="$missing perl-base"
[ -n "$missing" ] || exit 0
echo "installing:$missing" >&2
if [ "$(id -u)" -ne 0 ]; then
    echo "error: that needs root" >&2
    echo "hint: apt-get install$missing" >&2
    exit 1
fi
# Debian starts installed services.
if [ ! -e /usr/sbin/policy-rc.d ]; then
    printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
    chmod +x /usr/sbin/policy-rc.d
    trap 'rm -f /usr/sbin/policy-rc.d' EXIT
fi
apt-get update -qq >&2
# shellcheck disable=SC2086
DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
