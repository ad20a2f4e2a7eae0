#!/usr/bin/env bash
# The pages in headless Chromium: installs what is missing, builds the stage, runs the suites.
#
#     tests/browser/run.sh            all suites
#     tests/browser/run.sh audit      one of them: access, audit, crossposting, failures, operator, pages, pictures, pressing, pulling, rules, uploads
#     tests/browser/run.sh bluesky          a second network, with its own servers: `cargo xtask test bluesky`, not among all
#     tests/browser/run.sh --pictures [FOLDER]     the pictures of the manuals, as `cargo xtask pictures`
set -eu
cd "$(dirname "$0")"
if [ -z "${CHROMIUM:-}" ] && [ ! -x /usr/bin/chromium ]; then
    echo "browser: Chromium is missing; installing Debian's package chromium by apt-get"
    root=; [ "$(id -u)" = 0 ] || root=sudo
    $root apt-get update -qq
    $root apt-get install -y -qq chromium
fi
if ! command -v node >/dev/null || ! command -v npm >/dev/null; then
    echo "browser: Node.js is missing; installing Debian's packages nodejs and npm by apt-get"
    root=; [ "$(id -u)" = 0 ] || root=sudo
    $root apt-get update -qq
    $root apt-get install -y -qq --no-install-recommends nodejs npm
fi
[ -d node_modules/playwright-core ] || npm ci --no-progress
# Debian 12 has Node.js 18 and Playwright wants 20: npm carries Node.js as a package.
node=node
if [ "$(node --print 'process.versions.node.split(".")[0]')" -lt 20 ]; then
    own=../../target/node
    [ -x "$own/node_modules/.bin/node" ] || npm install --no-save --no-progress --prefix "$own" node@22
    node=$own/node_modules/.bin/node
fi
# From the root, where all crates are selected: the same features as everywhere, so nothing is built twice.
(cd ../.. && cargo build --quiet)
if [ "${1:-}" = --pictures ]; then
    exec "$node" docs.mjs "${@:2}"
fi
suites=()
for name in "${@:-access audit crossposting failures operator pages pictures pressing pulling rules uploads}"; do
    for one in $name; do suites+=("tests/$one.test.mjs"); done
done
# `spec` says what failed once more at its end.
exec "$node" --test --test-reporter=spec --test-concurrency=2 "${suites[@]}"
