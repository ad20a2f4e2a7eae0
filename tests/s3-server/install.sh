#!/usr/bin/env bash
# Installs moto from PyPI for the tests, an S3 server in Python, into the target folder only. Needs python3 with venv; on
# Debian it is installed if it is missing (as root).
set -euo pipefail
cd "$(dirname "$0")/../.."
version=5.2.5
venv=${CARGO_TARGET_DIR:-target}/tools/moto-$version

[ -x "$venv/bin/moto_server" ] && exit 0
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  echo "installing python3-venv" >&2
  if [ "$(id -u)" -ne 0 ]; then
    echo "error: that needs root" >&2
    echo "hint: apt-get install python3-venv" >&2
    exit 1
  fi
  apt-get update -qq >&2
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null
fi
echo "installing: moto $version" >&2
rm -rf "$venv"
python3 -m venv "$venv"
"$venv/bin/pip" --quiet --disable-pip-version-check install "moto[s3,server]==$version"
