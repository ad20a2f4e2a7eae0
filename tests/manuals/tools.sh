#!/bin/sh
# Programs that blocks of the manuals use, for a Debian machine that lacks them (as root, or with sudo).
set -eu
missing=
for tool in curl jq; do
    command -v "$tool" >/dev/null || missing="$missing $tool"
done
[ -n "$missing" ] || exit 0
echo "installing$missing" >&2
sudo=
[ "$(id -u)" = 0 ] || sudo=sudo
$sudo apt-get update -qq
# shellcheck disable=SC2086  # words are meant
$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $missing
