#!/bin/bash
# schemathesis_run.sh DEXTER STORE [CASES [SEED]]: serves a copy of STORE and lets schemathesis send it about CASES requests
# (10,000) that it makes up from /openapi.json, valid and not. Fails on a server error, on a status, a header or a body that
# is not documented, and on an invalid request that is taken. Needs `pip install schemathesis` (`st` on the path).
set -euo pipefail
(($# >= 2)) || { sed -n '2,4s/^# //p' "$0"; exit 2; }
dexter=$1 store=$2 cases=${3:-10000} seed=${4:-1}
command -v st >/dev/null || { echo "st is not on the path: pip install schemathesis" >&2; exit 77; }
scratch=$(mktemp -d)
trap 'kill "${server:-}" 2>/dev/null || true; wait; rm -rf "$scratch"' EXIT
cp -r "$store" "$scratch/store"
"$dexter" serve --store "$scratch/store" --port 0 --set serve.compact_changes=0 2> "$scratch/log" &
server=$!
until url=$(sed -n 's/.*ready on \(http[^ ]*\) .*/\1/p' "$scratch/log") && [[ $url ]]; do
  kill -0 "$server" || { cat "$scratch/log" >&2; exit 1; }
  sleep 0.1
done
# 504 is what a timeout_ms of 1 asks for; a request that is too large is refused as such.
cat > "$scratch/config.toml" <<TOML
seed = $seed
[phases.stateful]
enabled = false
[checks.not_a_server_error]
expected-statuses = ["2xx", "3xx", "4xx", "504"]
[checks.negative_data_rejection]
expected-statuses = ["400", "401", "403", "404", "405", "413", "415", "422", "429", "431"]
TOML
checks=not_a_server_error,status_code_conformance,content_type_conformance,response_headers_conformance
checks+=,response_schema_conformance,negative_data_rejection,unsupported_method
# Snapshots are left out here: each leaves a store behind.
failed=0
st --config-file "$scratch/config.toml" run "$url/openapi.json" --url "$url" --workers 2 --no-color \
  --exclude-path /v1/admin/snapshot --max-examples "$((cases / 12))" --checks "$checks" || failed=1
kill -0 "$server" || { echo "the server ended" >&2; failed=1; }
grep -E " (error|critical): " "$scratch/log" && failed=1
exit "$failed"
