#!/bin/sh
# The gate on the scanner's work: how many instructions a byte of /state costs. Unlike time, instructions are the same on
# every run, and one function that is no longer inlined doubles them. Needs valgrind; without it the gate is open.
set -eu

# A master that has run for long: of its tasks half are history, as the 1000 of each framework that it keeps.
DOCUMENT=target/bench/100.json
LIMIT=2.3

if ! command -v valgrind >/dev/null; then
    echo "instructions: no valgrind here, so the scanner's instructions are not counted"
    exit 0
fi
mkdir -p target/bench
cargo build --locked --quiet -p lambda-scale --bin lambda-scale
target/debug/lambda-scale generate --agents 100 --tasks 2000 --completed 1800 --output "$DOCUMENT"
cargo build --locked --quiet --release -p node_gather --no-default-features --features reference --example scan_bench
count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/scan_bench "$DOCUMENT" scan 2>&1 |
    awk '/Collected/ { print $NF }')
bytes=$(wc -c <"$DOCUMENT")
awk -v count="$count" -v bytes="$bytes" -v limit="$LIMIT" 'BEGIN {
    each = count / bytes
    printf "instructions: %.2f for a byte of /state, at most %s\n", each, limit
    exit !(count > 0 && each <= limit)
}'
