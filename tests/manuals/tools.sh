#!/bin/sh
# Programs that the manuals use, for a Debian machine that lacks them (as root, or with sudo).
set -eu
# nginx lies where only root looks.
PATH="$PATH:/usr/sbin:/sbin"
missing=
for tool in curl jq nginx; do
    command -v "$tool" >/dev/null && continue
    case $tool in
    nginx) missing="$missing nginx-light" ;;
    *) missing="$missing $tool" ;;
    esac
done
[ -n "$missing" ] || exit 0
echo "installing$missing" >&2
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086  # words are meant
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
