#!/usr/bin/env bash
# Installs below a prefix, as a user does, and builds and runs the examples against that prefix alone, away from the
# sources: C with the shared and with the static library, PHP, Python.
#
#   tests/install/run.sh            installs what the tests have built (--debug) below a folder of its own
#   tests/install/run.sh PREFIX     takes what `cargo xtask install --prefix PREFIX` has put there
#
# Needs gcc, pkg-config, binutils, curl, Python 3.11, PHP 8.2 with FFI; on Debian they are installed where they are missing
# (as root, or with sudo).
set -euo pipefail
cd "$(dirname "$0")/../.."

missing=()
need() { command -v "$1" >/dev/null || missing+=("${@:2}"); }
need gcc gcc libc6-dev
need pkg-config pkg-config
need readelf binutils
need curl curl
need python3 python3
need php php8.2-cli php8.2-curl
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}" >&2
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi

work=$(mktemp -d)
simulator=
trap 'exec 9>&- || true; [ -z "$simulator" ] || wait "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT
if [ $# -gt 0 ]; then
  prefix=$(cd "$1" && pwd)
else
  prefix=$work/prefix
  cargo xtask install --prefix "$prefix" --debug
fi

holds() { "${@:2}" >/dev/null || { echo "install: does not hold: $1" >&2; exit 1; }; echo "install: $1 ... ok"; }
fails() { if "$@" >/dev/null 2>&1; then return 1; fi; }

# What a user runs and what a packager checks.
export PATH=$prefix/bin:$PATH PKG_CONFIG_PATH=$prefix/lib/pkgconfig
provider=$prefix/share/social-channel/providers/plugin_tiktok.wasm
for file in include/social_channel.h lib/libsocialchannel.{so,a} lib/pkgconfig/socialchannel{,-static}.pc \
  share/social-channel/social_channel.schema.json share/social-channel/providers/plugin_tiktok.wasm \
  bin/{social-channel,tiktok-simulator}; do
  [ -s "$prefix/$file" ] || { echo "install: $file is missing" >&2; exit 1; }
done
version=$(pkg-config --modversion socialchannel)
holds "the program and pkg-config name the same version" grep -qw "$version" <(social-channel --version)
holds "the schemas are JSON" python3 -m json.tool "$prefix/share/social-channel/social_channel.schema.json"
holds "the code stays loaded" grep -q NODELETE <(readelf -d "$prefix/lib/libsocialchannel.so")
holds "nothing but the interface is exported" \
  fails grep -v ' socialchannel_' <(nm -D --defined-only "$prefix/lib/libsocialchannel.so")
holds "pkg-config knows what a static library needs" grep -qw -- -lm <(pkg-config --libs --static socialchannel)

# A user's folder, with the examples and, as Composer and pip would bring them, the packages.
mkdir -p "$work/user/bindings"
cp -r examples "$work/user/"
cp -r bindings/php bindings/python "$work/user/bindings/"
# What the manuals tell a C programmer to type, the same in both.
block() { sed -n '/^cargo xtask install/,/^```$/p' "$1" | sed '/^```$/d'; }
block README.md >"$work/user/manual.sh"
holds "the manuals for C say the same" cmp "$work/user/manual.sh" <(block bindings/c/README.md)
cd "$work/user"
mkfifo "$work/alive"
tiktok-simulator --port 0 --auto-consent --describe --until-eof <"$work/alive" >simulator.json &
simulator=$!
exec 9>"$work/alive"
until [ -s simulator.json ]; do kill -0 "$simulator"; read -rt 0.05 <> <(:) || true; done

story() { # NAME COMMAND...
  "${@:2}" "$provider" simulator.json >"$work/story.txt" || { cat "$work/story.txt"; exit 1; }
  holds "the story in $1 publishes" grep -Eq "published" "$work/story.txt"
  holds "the story in $1 swaps the provider meanwhile" grep -q swapped "$work/story.txt"
}
# It is installed already, below another prefix.
cargo() { [ "$*" = "xtask install --prefix /usr/local" ]; }
export -f cargo
holds "the manuals' commands for C compile the story" bash -ec 'cd examples/c; . ../../manual.sh; rm a.out'
unset -f cargo
# shellcheck disable=SC2046  # words are meant
gcc -Wall -Werror -o shared examples/c/story.c $(pkg-config --cflags --libs socialchannel)
story "C, shared" env LD_LIBRARY_PATH="$prefix/lib" ./shared
# shellcheck disable=SC2046
gcc -Wall -Werror -o static examples/c/story.c $(pkg-config --cflags --libs socialchannel-static)
holds "the static program needs no library of ours" fails grep -q socialchannel <(ldd ./static)
story "C, static" ./static
export SOCIAL_CHANNEL_LIBRARY=$prefix/lib/libsocialchannel.so
story PHP php -d ffi.enable=1 examples/php/story.php
story Python env PYTHONPATH=bindings/python/src PYTHONDONTWRITEBYTECODE=1 python3 examples/python/story.py

# Loaded and unloaded like a plugin of another program: the library's threads must not lose their code.
cat >unload.c <<'C'
#include <dlfcn.h>
#include <stdio.h>
#include <unistd.h>
#include <social_channel.h>
int main(int argc, char **argv) {
  (void)argc;
  for (int round = 0; round < 20; round++) {
    void *library = dlopen(argv[1], RTLD_NOW | RTLD_LOCAL);
    if (!library) { puts(dlerror()); return 1; }
    socialchannel_status (*open)(const char *, socialchannel_host **, socialchannel_error **) = NULL;
    void (*release)(socialchannel_host *) = NULL;
    *(void **)&open = dlsym(library, "socialchannel_host_open");
    *(void **)&release = dlsym(library, "socialchannel_host_free");
    socialchannel_host *host = NULL;
    if (!open || !release || open("{}", &host, NULL) != SOCIALCHANNEL_STATUS_OK) return 2;
    release(host);
    dlclose(library);
  }
  usleep(100000);
  return 0;
}
C
gcc -Wall -Werror -o unload unload.c "-I$prefix/include" -ldl
holds "a program may let go of the library" ./unload "$prefix/lib/libsocialchannel.so"
