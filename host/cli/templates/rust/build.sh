#!/bin/sh
# Builds {name}.wasm. Needs Rust by rustup.
set -eu
cd "$(dirname "$0")"
rustup target add wasm32-wasip2
CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-target}
export CARGO_TARGET_DIR
cargo build --release --target wasm32-wasip2
cp "$CARGO_TARGET_DIR/wasm32-wasip2/release/{module}.wasm" {name}.wasm
