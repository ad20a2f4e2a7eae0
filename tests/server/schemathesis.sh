#!/usr/bin/env bash
# Drives the service by its own description: no failure of ours (5xx), no answer that is not described, nothing taken
# that the description does not offer.
# Needs python3 with venv, and pip's index at the first run. Keeps everything in target/.
set -eu
cd "$(dirname "$0")/../.."
examples=${EXAMPLES:-25}
venv=$PWD/target/schemathesis
[ -x $venv/bin/schemathesis ] || { python3 -m venv $venv && $venv/bin/pip install --quiet "schemathesis>=4.3,<5"; }
cargo build --quiet

work=$(mktemp -d)
mkfifo "$work/input"
./target/debug/served <"$work/input" >"$work/where" &
exec 9>"$work/input"
trap 'exec 9>&-; wait; rm -rf "$work"' EXIT
while [ ! -s "$work/where" ]; do sleep 0.1; done
field() { python3 -c "import json,sys; print(json.load(open('$work/where'))['$1'])"; }

run() { # what is fixed, then more arguments
  printf '%b' "$1" >"$work/schemathesis.toml"
  shift
  # In the work folder: it keeps a cache where it stands.
  (cd "$work" && $venv/bin/schemathesis --config-file "$work/schemathesis.toml" run "$(field address)/api/v1/openapi.json" \
    --header "Authorization: Bearer $(field key)" --max-examples "$examples" --phases examples,coverage,fuzzing \
    --checks not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance,response_schema_conformance,negative_data_rejection,unsupported_method,allow_header_conformance,ignored_auth \
    --suppress-health-check all --request-timeout 70 --output-sanitize true "$@")
}

# With things that are there; nothing of them is taken away.
run "[parameters]\n\"path.app\" = \"$(field app)\"\n\"path.channel\" = \"$(field channel)\"\n\"path.job\" = \"$(field job)\"\n\"path.upload\" = \"$(field upload)\"\n\"path.id\" = \"tiktok\"\n" \
  --exclude-method DELETE
# With whatever the tester thinks of.
run ""
