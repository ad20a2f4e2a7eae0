#!/bin/sh
# Builds the provider: build.sh OUT.wasm. componentize-qjs comes from crates.io, into a folder of its own: it takes some minutes
# once, and Rust 1.97.
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")"
version=0.5.0
tools=${PROVIDER_TOOLS:-.tools}/componentize-qjs-$version
if [ ! -x "$tools/bin/componentize-qjs" ]; then
    cargo install --quiet --root "$tools" --locked --version "$version" componentize-qjs-cli
fi
"$tools/bin/componentize-qjs" --wit ../../wit --world provider --js bluesky.js --output "$out"
