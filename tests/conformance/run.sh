#!/usr/bin/env bash
# Providers in other languages, and what `providers new` makes, built by their own tools; `social-channel providers test`
# judges them. The tools stay in the target folder, by version.
#
#   tests/conformance/run.sh [NAME...]      bluesky-python, new-rust, new-python, bluesky-c, new-c,
#                                      bluesky-javascript, new-javascript; without names all of them
#
# The gate has the first two: of the others one tool has 411 MB, and one is built for minutes by a newer Rust.
# Needs Python 3 with venv; it is installed on Debian if it is missing (as root, or with sudo).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=$(realpath "${CARGO_TARGET_DIR:-target}")
if ! python3 -c 'import ensurepip' 2>/dev/null; then
  echo "installing python3-venv" >&2
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends python3 python3-venv
fi
cargo build --quiet
export PROVIDER_TOOLS=$target/provider-tools
program=$target/debug/social-channel
names=${*:-bluesky-python new-rust new-python bluesky-c new-c bluesky-javascript new-javascript}
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
# Compiled code is kept between runs: the folder, and the key that it is authenticated with.
export SOCIAL_CHANNEL_DATA=$target/provider-tools/data
export SOCIAL_CHANNEL_MASTER_KEY=00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff

# The tool for JavaScript needs Rust 1.97.
newer_rust() {
  export RUSTUP_TOOLCHAIN=1.99.1
  rustup toolchain list | grep -q "^$RUSTUP_TOOLCHAIN" || rustup toolchain install --profile minimal "$RUSTUP_TOOLCHAIN"
}

# judge NAME FILE SERVER: passes, and the report exists in every format.
judge() {
  local begin=$SECONDS
  "$program" --quiet providers test "$2" --server "$3" --junit "$folder/$1.xml" >"$folder/$1.txt" || {
    cat "$folder/$1.txt"
    exit 1
  }
  grep -q '<testsuite' "$folder/$1.xml"
  echo "$1 ... $(tail -1 "$folder/$1.txt"), $(stat -c %s "$2") bytes, $((SECONDS - begin)) s"
}

for name in $names; do
  unset RUSTUP_TOOLCHAIN
  built=$folder/$name.wasm
  case $name in
    bluesky-python)
      server=examples/provider-python/server.toml
      examples/provider-python/build.sh "$built"
      ;;
    bluesky-c)
      server=examples/provider-c/server.toml
      # Its bindings are those of every new provider in C.
      "$program" --quiet providers new bindings --language c --into "$folder"
      BINDINGS=$folder/bindings/bindings examples/provider-c/build.sh "$built"
      ;;
    bluesky-javascript)
      server=examples/provider-javascript/server.toml
      newer_rust
      examples/provider-javascript/build.sh "$built"
      ;;
    new-*)
      server=$folder/$name/server.toml
      "$program" --quiet providers new "$name" --language "${name#new-}" --into "$folder"
      [ "$name" != new-javascript ] || newer_rust
      CARGO_TARGET_DIR=$target/provider-tools/rust "$folder/$name/build.sh" >"$folder/build.log" 2>&1 || {
        cat "$folder/build.log"
        exit 1
      }
      built=$folder/$name/$name.wasm
      ;;
    *)
      echo "error: there is no provider $name" >&2
      exit 1
      ;;
  esac
  judge "$name" "$built" "$server"
done
