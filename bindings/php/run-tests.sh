#!/bin/sh
# Runs all tests of the PHP binding on a Debian machine: missing packages are installed with apt-get
# (as root), and reported. Arguments are passed to PHPUnit, such as --filter WebServer.
#
#   cargo xtask guests
#   cargo build -p social-channel-c -p social-channel-cli -p tiktok-simulator
#   bindings/php/run-tests.sh
#
# The programs are searched in SOCIAL_CHANNEL_BIN (folders separated by colons), then in target/debug and
# target/release; the library also in SOCIAL_CHANNEL_LIBRARY. Ends with 0 only if every test passed.
set -eu

here=$(cd "$(dirname "$0")" && pwd)

missing=""
need() { # command, package
    command -v "$1" >/dev/null 2>&1 || [ -x "/usr/sbin/$1" ] || missing="$missing $2"
}
need php php8.2-cli
need php-fpm8.2 php8.2-fpm
need nginx nginx-light
need phpunit phpunit
need composer composer
# For the small libraries that the tests compile: of another version, and between a manual and the library.
need cc "gcc libc6-dev"
if command -v php >/dev/null 2>&1; then
    loaded=$(php -m)
    has() { # extension, package
        printf '%s\n' "$loaded" | grep -qix "$1" || missing="$missing $2"
    }
    has curl php8.2-curl
    has pdo_sqlite php8.2-sqlite3
    has mbstring php8.2-mbstring
    has dom php8.2-xml
    has ffi php8.2-common
else
    missing="$missing php8.2-curl php8.2-sqlite3 php8.2-mbstring php8.2-xml"
fi
# Laravel's own parts, for the tests of the service provider; the package needs none of them.
for part in routing session queue config events; do
    folder=$(printf '%s' "$part" | cut -c1 | tr '[:lower:]' '[:upper:]')$(printf '%s' "$part" | cut -c2-)
    [ -e "/usr/share/php/Illuminate/$folder/autoload.php" ] || missing="$missing php-illuminate-$part"
done
[ -e /usr/share/php/Psr/Log/autoload.php ] || missing="$missing php-psr-log"
[ -e /usr/share/php/Dotenv/autoload.php ] || missing="$missing php-vlucas-phpdotenv"
if [ -n "$missing" ]; then
    echo "installing:$missing" >&2
    if [ "$(id -u)" -ne 0 ]; then
        echo "error: that needs root" >&2
        echo "hint: apt-get install$missing" >&2
        exit 1
    fi
    # Debian starts installed services; the tests start their own servers.
    if [ ! -e /usr/sbin/policy-rc.d ]; then
        printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d
        chmod +x /usr/sbin/policy-rc.d
        trap 'rm -f /usr/sbin/policy-rc.d' EXIT
    fi
    apt-get update -qq >&2
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi

echo "php $(php -r 'echo PHP_VERSION;'), $(phpunit --version | head -1)" >&2
syntax=0
for file in $(find "$here" "$here/../../examples/php" -name '*.php'); do
    php -l "$file" >/dev/null || syntax=1
done
[ "$syntax" -eq 0 ] || exit 1
php "$here/bin/ffi-header" --check

status=0
phpunit -c "$here/phpunit.xml" "$@" || status=$?
exit "$status"
