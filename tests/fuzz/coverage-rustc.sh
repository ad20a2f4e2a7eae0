#!/bin/sh
# Compiles the workspace's crates with the counters that libFuzzer reads (RUSTC_WORKSPACE_WRAPPER of run.sh). Dependencies
# are those of an ordinary build: to instrument the engine would take longer than all tests. The flags are stable.
set -eu
program=false
for word in "$@"; do
    case $word in
        # A question of cargo's, and programs that run while others are built.
        --print=* | build_script_*) exec "$@" ;;
        bin) program=true ;;
    esac
done
# Libraries for other languages are not linked, and stay as an ordinary build left them.
count=$#
while [ "$count" -gt 0 ]; do
    word=$1
    shift
    count=$((count - 1))
    if [ "$word" = --crate-type ] && { [ "$1" = cdylib ] || [ "$1" = staticlib ]; }; then
        shift
        count=$((count - 1))
        continue
    fi
    set -- "$@" "$word"
done
case " $* " in
    *" --crate-type "*)
        set -- "$@" -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
            -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
            -Cllvm-args=-sanitizer-coverage-trace-compares
        if [ "$program" = true ]; then
            set -- "$@" -Clink-arg="$LIBFUZZER" -Clink-arg=-lstdc++
        fi
        ;;
esac
exec "$@"
