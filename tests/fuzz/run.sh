#!/usr/bin/env bash
# The fuzz targets under libFuzzer, with the stable compiler.
#
#   tests/fuzz/run.sh                                 every target for a fixed number of inputs
#   tests/fuzz/run.sh media -max_total_time=600       one of them, with libFuzzer's own flags
#
# What one target finds is kept in target/fuzz/TARGET, where the next run of it goes on; an input that fails is written
# to target/fuzz and named. Needs Debian's package libfuzzer-19-dev (or another number), which is installed if it is
# missing (as root, or with sudo).
set -euo pipefail
cd "$(dirname "$0")/../.."

library() { find /usr/lib/llvm-*/lib -name 'libFuzzer.a' -print 2>/dev/null | sort -V | tail -1; }
LIBFUZZER=$(library)
if [ -z "$LIBFUZZER" ]; then
  sudo=; [ "$(id -u)" = 0 ] || sudo=sudo
  $sudo apt-get update -qq
  package=$(apt-cache search --names-only '^libfuzzer-[0-9]+-dev$' | cut -d' ' -f1 | sort -V | tail -1)
  echo "installing ${package:?there is no package libfuzzer-NUMBER-dev}" >&2
  $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends "$package" g++ >/dev/null
  LIBFUZZER=$(library)
fi
export LIBFUZZER

# From the root, with the features of every other build, so that dependencies are built once.
RUSTC_WORKSPACE_WRAPPER=$PWD/tests/fuzz/coverage-rustc.sh \
  cargo build --quiet --features fuzz-targets/libfuzzer --bin fuzz
target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/fuzz"

fuzz() { # TARGET FLAGS...
  # Answers and documents fit; a longer input only takes longer.
  FUZZ_TARGET=$1 "$target/debug/fuzz" -artifact_prefix="$target/fuzz/$1-" -max_len=65536 -timeout=60 \
    -print_final_stats=1 "${@:2}" "tests/fuzz/corpus/$1"
}

if [ $# -gt 0 ]; then
  mkdir -p "$target/fuzz/$1"
  fuzz "$@" "$target/fuzz/$1"
  exit
fi

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
log=$work/log
# Inputs for each: those that open a host or a connection take milliseconds.
for run in callback-address:50000 configuration:200 document:2000 media:5000 media-answer:500 \
  tiktok-answer:2000 tiktok-callback:20000 tiktok-signature:20000 tiktok-state:10000 tiktok-webhook:20000; do
  name=${run%:*}
  # The same inputs in each run, none of which is kept.
  mkdir "$work/$name"
  if ! fuzz "$name" -seed=1 -runs="${run#*:}" "$work/$name" >"$log" 2>&1 || ! grep -q 'inline 8-bit counters' "$log"; then
    cat "$log"
    echo "fuzz: $name failed" >&2
    exit 1
  fi
  echo "fuzz: $name, $(sed -n 's/^stat::number_of_executed_units: *//p' "$log") inputs, coverage $(
    grep -o 'cov: [0-9]*' "$log" | tail -1 | cut -d' ' -f2) ... ok"
done

# The commands of README.md, with small numbers. The first of the second block is what runs here.
sed -n '/^```sh$/,/^```$/{/^```/d;p}' tests/fuzz/README.md | grep -vx 'cargo xtask test fuzz' \
  | sed -e 's/CASES=[0-9]*/CASES=500/' -e 's/time=[0-9]*/time=2/' >"$work/commands"
while read -r command; do
  bash -euc "$command" </dev/null >"$log" 2>&1 || { cat "$log"; echo "fuzz: failed: $command" >&2; exit 1; }
  # Without a test of that name nothing would fail.
  [[ $command != *"cargo test"* ]] || grep -q '^test .* ok$' "$log" || { echo "fuzz: no test: $command" >&2; exit 1; }
  echo "fuzz: $command ... ok"
done <"$work/commands"
