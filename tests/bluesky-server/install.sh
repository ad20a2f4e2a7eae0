#!/usr/bin/env bash
# Installs Bluesky's own servers (PLC directory, PDS, AppView) and a Node.js for them, into the target folder only, cached by
# the lock file. Needs npm and a C++ compiler; PostgreSQL as for the tests of the stores.
#
#     tests/bluesky-server/install.sh     says how long it took, if it had to do anything
set -euo pipefail
cd "$(dirname "$0")/../.."
tests/postgres-server/install.sh
own=tests/bluesky-server
target=${CARGO_TARGET_DIR:-target}
tools=$target/tools/bluesky-$(sha256sum "$own/package-lock.json" | cut -c 1-12)
[ -e "$tools/done" ] && exit 0

started=$(date +%s)
missing=
command -v npm >/dev/null || missing="$missing npm"
command -v g++ >/dev/null || missing="$missing g++"
command -v make >/dev/null || missing="$missing make"
command -v python3 >/dev/null || missing="$missing python3"
if [ -n "$missing" ]; then
  echo "installing:$missing" >&2
  if [ "$(id -u)" -ne 0 ]; then
    echo "error: that needs root" >&2
    echo "hint: apt-get install$missing" >&2
    exit 1
  fi
  apt-get update -qq >&2
  # shellcheck disable=SC2086
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
fi
echo "installing: PLC directory, PDS and AppView from npm" >&2
rm -rf "$target"/tools/bluesky-*
mkdir -p "$tools"
cp "$own/package.json" "$own/package-lock.json" "$own/.npmrc" "$tools/"
# npm carries Node.js as a package, with the headers that a native module needs; its script puts both in place. `install`
# would also take another one where a test of the pages has it already.
node=$target/node/node_modules/node/node_modules/node-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')
[ -x "$node/bin/node" ] || npm install --no-save --no-progress --silent --prefix "$target/node" node@22
node=$(cd "$node" && pwd)
export PATH=$node/bin:$PATH
cd "$tools"
# Nothing of it runs here but the build below. Metadata that npm has cached may be older than a dependency.
npm ci --prefer-online --ignore-scripts --no-progress --silent
# SQLite itself, for the wrong Node.js if npm's own settings were followed. Unoptimised: a fifth of the time to build, and a
# test has a hundred records.
CFLAGS=-O0 CXXFLAGS=-O0 npm rebuild better-sqlite3 --nodedir="$node" --build-from-source --silent
touch done
echo "installed in $(($(date +%s) - started)) s" >&2
