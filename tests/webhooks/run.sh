#!/usr/bin/env bash
# Events out, received by the public libraries of Standard Webhooks, unmodified: `standardwebhooks` from PyPI and from npm.
#
#     tests/webhooks/run.sh
#
# Needs Python 3 with venv and Node.js 18; missing ones are installed on Debian (as root, or with sudo).
set -euo pipefail
cd "$(dirname "$0")"
missing=()
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v node >/dev/null && command -v npm >/dev/null || missing+=(nodejs npm)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}" >&2
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi
[ -d node_modules/standardwebhooks ] || npm ci --no-progress
target=$(cd ../.. && echo "${CARGO_TARGET_DIR:-$PWD/target}")
venv=$target/webhooks-venv
[ -x "$venv/bin/python" ] || python3 -m venv "$venv"
"$venv/bin/pip" --quiet --disable-pip-version-check install standardwebhooks==1.1.0
# From the root, where all crates are selected: the same features as everywhere, so nothing is built twice.
(cd ../.. && cargo build --quiet)
exec "$venv/bin/python" drive.py "$target/debug" "$(command -v node)"
