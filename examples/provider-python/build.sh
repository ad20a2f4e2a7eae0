#!/bin/sh
# Builds the provider: build.sh OUT.wasm. Needs Python 3 with venv; componentize-py comes from PyPI, into a folder of its own.
set -eu
out=$(realpath "$1")
cd "$(dirname "$0")"
version=0.25.1
tools=${PROVIDER_TOOLS:-.tools}/componentize-py-$version
if [ ! -x "$tools/bin/componentize-py" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" --quiet --disable-pip-version-check install "componentize-py==$version"
fi
PYTHONDONTWRITEBYTECODE=1 "$tools/bin/componentize-py" -d ../../wit -w provider componentize bluesky -o "$out"
