#!/usr/bin/env bash
# The Python suite, run as by a user: builds the wheel with the library inside, installs it into a fresh environment,
# runs the tests and the example there.
#
#   bindings/python/run-tests.sh [--wheel-only]      the wheel is in bindings/python/dist
#
# Needs Python 3.11 or newer with venv, curl and a C compiler; missing ones are installed on Debian (as root, or with
# sudo). pytest and the build tools are installed from PyPI into the environment only.
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}
profile=${PROFILE:-debug}

missing=()
command -v python3 >/dev/null || missing+=(python3)
python3 -c 'import ensurepip' 2>/dev/null || missing+=(python3-venv)
command -v curl >/dev/null || missing+=(curl)
# For the small libraries that the tests compile.
command -v cc >/dev/null || missing+=(gcc libc6-dev)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}" >&2
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi

python3 bindings/python/generate.py --check
if [ "$profile" = release ]; then cargo build --quiet --release -p social-channel-c; else cargo build --quiet; fi
work=$(mktemp -d)
simulator=
trap 'exec 9>&- || true; [ -z "$simulator" ] || wait "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
pip="$work/venv/bin/pip --quiet --disable-pip-version-check"

# A copy, so that nothing is left in the working tree.
cp -r bindings/python "$work/package"
rm -rf "$work/package/build" "$work/package/dist"
install -m 755 "$target/$profile/libsocialchannel.so" "$work/package/src/social_channel/"
# Most of the size of a debug build is debug information.
strip --strip-debug "$work/package/src/social_channel/libsocialchannel.so" 2>/dev/null || true
$pip install 'setuptools>=77' wheel pytest
$pip wheel --no-build-isolation --no-deps --wheel-dir "$work/dist" "$work/package"
wheel=$(ls "$work"/dist/*.whl)
echo "wheel: $(basename "$wheel"), $(stat -c %s "$wheel") bytes"
mkdir -p bindings/python/dist && cp "$wheel" bindings/python/dist/
[ "${1:-}" != --wheel-only ] || exit 0
$pip install "$wheel"

cargo build --quiet
cargo build --quiet -p test-provider -p plugin-tiktok --target wasm32-wasip2 --profile guest
SOCIAL_CHANNEL_TEST_COMPONENTS=$(cd "$target/wasm32-wasip2/guest" && pwd)
SOCIAL_CHANNEL_TEST_CACHE=$work/cache
SOCIAL_CHANNEL_TEST_ROOT=$PWD
SOCIAL_CHANNEL_TEST_SIMULATOR=$(cd "$target/debug" && pwd)/tiktok-simulator
export SOCIAL_CHANNEL_TEST_COMPONENTS SOCIAL_CHANNEL_TEST_CACHE SOCIAL_CHANNEL_TEST_ROOT SOCIAL_CHANNEL_TEST_SIMULATOR
here=$PWD
# Outside the sources, so that the installed package is tested.
(cd "$work" && "$work/venv/bin/pytest" -q -p no:cacheprovider "$work/package/tests")

mkfifo "$work/alive"
"$target/debug/tiktok-simulator" --port 0 --auto-consent --describe --until-eof <"$work/alive" >"$work/simulator.json" &
simulator=$!
exec 9>"$work/alive"
until [ -s "$work/simulator.json" ]; do kill -0 "$simulator"; read -rt 0.05 <> <(:) || true; done
"$target/debug/sample-video" "$work/video.mp4" 70_000_000
"$work/venv/bin/python" "$here/examples/python/story.py" "$SOCIAL_CHANNEL_TEST_COMPONENTS/plugin_tiktok.wasm" \
  "$work/simulator.json" "$work/video.mp4" | tee "$work/story.txt" | tail -3
grep -q 'published 100 %' "$work/story.txt" && grep -q 'the provider was swapped' "$work/story.txt"
echo "the story ... ok"
