#!/usr/bin/env bash
# Tests the service from its own description: no server errors (5xx), no undescribed responses, nothing accepted
# that the description does not allow.
# Needs python3 with venv, and pip's index at the first run. Keeps everything in target/.
set -eu
cd "$(dirname "$0")/../.."
examples=${EXAMPLES:-25}
venv=$PWD/target/schemathesis
# One version: a newer one judges by other rules, and a check must not change by itself.
version=4.32.5
[ "$($venv/bin/schemathesis --version 2>/dev/null || true)" = "schemathesis, version $version" ] || {
  python3 -m venv $venv && $venv/bin/pip install --quiet "schemathesis==$version"
}
cargo build --quiet

work=$(mktemp -d)
mkfifo "$work/input"
./target/debug/served <"$work/input" >"$work/where" &
exec 9>"$work/input"
trap 'exec 9>&-; wait; rm -rf "$work"' EXIT
while [ ! -s "$work/where" ]; do sleep 0.1; done
field() { python3 -c "import json,sys; print(json.load(open('$work/where'))['$1'])"; }

run() { # whose key, what is fixed, then more arguments
  key=$(field "$1")
  printf '%b' "$2" >"$work/schemathesis.toml"
  shift 2
  # In the work folder, because it writes a cache into the current folder.
  (cd "$work" && $venv/bin/schemathesis --config-file "$work/schemathesis.toml" run "$(field address)/api/v1/openapi.json" \
    --header "Authorization: Bearer $key" --max-examples "$examples" --phases examples,coverage,fuzzing \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth \
    --suppress-health-check all --request-timeout 70 --output-sanitize true "$@")
}

# A call that only ever meets a closed door tests the door: it needs another caller, and fails until it has one. With
# invented names no call gets further than "not found", so there this says nothing.
# The stream of a tenant's events has no end, and waiting for one only takes long.
open="[warnings]\nfail-on = [\"missing_auth\"]\n\n[parameters]\n\"query.wait\" = 0\n"
there="$open\"path.app\" = \"$(field app)\"\n\"path.channel\" = \"$(field channel)\"\n\"path.job\" = \"$(field job)\"\n\"path.upload\" = \"$(field upload)\"\n\"path.id\" = \"tiktok\"\n\n"
# With things that are there; nothing of them is taken away. First the operator, then a program of the tenant whose they
# are, with what is a tenant's to do.
run key "$there" --exclude-method DELETE --exclude-path /events/stream
run tenant_key "$there" --exclude-method DELETE --include-tag channels --include-tag jobs --include-tag uploads
# With generated data.
run key "[parameters]\n\"query.wait\" = 0\n" --exclude-path /events/stream
