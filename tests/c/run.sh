#!/usr/bin/env bash
# The C suite: every test program plain, under AddressSanitizer and UndefinedBehaviorSanitizer, and under ThreadSanitizer
# (of the C side; the library itself is not instrumented).
#
#   tests/c/run.sh [plain|address|thread|valgrind ...]     without arguments: all but valgrind
#
# Valgrind takes minutes and a separate build: the library's feature `valgrind`, with which rustix reads no page that
# Valgrind hides. It looks for wrong accesses, uninitialised values and definite leaks of both sides, but leaves out forks
# and providers' traps (signals whose handler moves on).
#
# Needs gcc, g++, curl and python3 (and valgrind, if requested); missing ones are installed on Debian (as root or with sudo).
set -euo pipefail
cd "$(dirname "$0")/../.."
target=${CARGO_TARGET_DIR:-target}

missing=()
command -v gcc >/dev/null || missing+=(gcc libc6-dev)
command -v g++ >/dev/null || missing+=(g++)
case " $* " in
  *" valgrind "*) command -v valgrind >/dev/null || missing+=(valgrind libc6-dbg) ;;
esac
command -v curl >/dev/null || missing+=(curl)
command -v python3 >/dev/null || missing+=(python3)
if [ ${#missing[@]} -gt 0 ]; then
  echo "installing ${missing[*]}" >&2
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "${missing[@]}"
fi

cargo build --quiet
cargo build --quiet -p test-provider -p plugin-tiktok --target wasm32-wasip2 --profile guest
library=$(cd "$target/debug" && pwd)
linked=$library
components=$(cd "$target/wasm32-wasip2/guest" && pwd)
work=$(mktemp -d)
simulator=
trap 'exec 9>&- || true; [ -z "$simulator" ] || wait "$simulator" 2>/dev/null || true; rm -rf "$work"' EXIT

# A simulated platform for all suites; it ends when this script does.
mkfifo "$work/alive"
"$library/tiktok-simulator" --port 0 --auto-consent --describe --until-eof <"$work/alive" >"$work/simulator.json" &
simulator=$!
exec 9>"$work/alive"
until [ -s "$work/simulator.json" ]; do kill -0 "$simulator"; read -rt 0.05 <> <(:) || true; done
origin=$(python3 -c 'import json, sys; print(json.load(open(sys.argv[1]))["origin"])' "$work/simulator.json")

compile() { # COMPILER OUTPUT SOURCE FLAGS...
  local compiler=$1 output=$2 source=$3; shift 3
  local standard=-std=gnu11; [ "$compiler" = g++ ] && standard=-std=c++11
  "$compiler" $standard -g -O1 -Wall -Wextra -Werror -Itests/c -Ibindings/c/include "$@" "$source" -o "$output" \
    -L"$linked" -lsocialchannel -lpthread -Wl,-rpath,"$linked"
}

programs() { ls tests/c/*.c | xargs -n1 basename | sed 's/\.c$//'; }

suite() { # NAME FLAGS -- COMMAND...
  local name=$1; shift
  local flags=(); while [ "$1" != -- ]; do flags+=("$1"); shift; done; shift
  for program in $(programs); do
    compile gcc "$work/$name-$program" "tests/c/$program.c" "${flags[@]}"
    mkdir -p "$work/$name"
    printf '%s: %s ... ' "$name" "$program"
    "$@" "$work/$name-$program" "$components" "$work/$name" "$origin"
    echo ok
  done
}

for which in "${@:-plain}" $([ $# -gt 0 ] || echo address thread); do
  case $which in
    plain)
      suite plain -- env
      compile g++ "$work/header" tests/c/header.cpp
      "$work/header"
      echo "plain: header from C++, twice ... ok"
      gcc -std=c99 -Wall -Wextra -Werror -pedantic -fsyntax-only bindings/c/include/social_channel.h
      "$library/sample-video" "$work/video.mp4" 70_000_000
      compile gcc "$work/story" examples/c/story.c
      "$work/story" "$components/plugin_tiktok.wasm" "$work/simulator.json" "$work/video.mp4" >"$work/story.txt"
      grep -q 'published 100 %' "$work/story.txt" && grep -q 'the provider was swapped' "$work/story.txt"
      echo "plain: the story ... ok"
      # The header's example unchanged; /var/lib/shop is mapped to the test's folder.
      mkdir "$work/shop"
      compile gcc "$work/prepare" tests/c/manuals/prepare.c
      channel=$("$work/prepare" "$components" "$work/shop")
      gcc -Wall -Wextra -Werror -shared -fPIC -Ibindings/c/include tests/c/manuals/stand_in.c -o "$work/stand-in.so" \
        -Wl,--no-as-needed "$library/libsocialchannel.so" -Wl,-rpath,"$library" -ldl
      python3 tests/c/manuals/example.py bindings/c/include/social_channel.h >"$work/example.c"
      compile gcc "$work/example" "$work/example.c"
      LD_PRELOAD="$work/stand-in.so" STAND_IN_LIBRARY="$library/libsocialchannel.so" STAND_IN_MAP="/var/lib/shop=$work/shop
ch_...=$channel" "$work/example" >"$work/example.txt"
      grep -q '"display_name":"Test"' "$work/example.txt"
      echo "plain: the header's example ... ok" ;;
    address)
      # Handles stay in their table and the library's threads keep running, so only leaks of the C side are checked.
      suite address -fsanitize=address,undefined -fno-sanitize-recover=all -- \
        env ASAN_OPTIONS=detect_leaks=1:handle_segv=0:allow_user_segv_handler=1 ;;
    valgrind)
      cargo build --quiet --features social-channel-c/valgrind
      linked=$work/library
      mkdir "$linked" && cp "$library/libsocialchannel.so" "$linked/"
      cargo build --quiet
      suite valgrind -- env NO_FORK=1 NO_TRAPS=1 valgrind --quiet --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite
      linked=$library ;;
    thread)
      suite thread -fsanitize=thread -- \
        env NO_FORK=1 TSAN_OPTIONS=ignore_noninstrumented_modules=1:halt_on_error=1:handle_segv=0:allow_user_segv_handler=1 ;;
    *) echo "there is no suite $which" >&2; exit 2 ;;
  esac
done
