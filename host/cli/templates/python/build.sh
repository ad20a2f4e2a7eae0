#!/bin/sh
# Builds {name}.wasm. Needs Python 3 with venv; componentize-py comes from PyPI, into a folder of its own.
set -eu
cd "$(dirname "$0")"
version=0.25.1
tools=${PROVIDER_TOOLS:-.tools}/componentize-py-$version
if [ ! -x "$tools/bin/componentize-py" ]; then
    python3 -m venv "$tools"
    "$tools/bin/pip" --quiet --disable-pip-version-check install "componentize-py==$version"
fi
"$tools/bin/componentize-py" -d wit -w provider componentize {module} -o {name}.wasm
