#!/bin/sh
# Limits the instructions that the scanner executes for a byte of /state. Unlike time, instructions are the same in every run, and
# one function that is no longer inlined doubles them. Needs valgrind; without it nothing is checked.
set -eu

# A master that has run for long: half of its tasks are completed ones, of which it keeps 1000 for each framework.
STATE=target/bench/100.json
LIMIT=2.0

if ! command -v valgrind >/dev/null; then
    echo "instructions: not checked, valgrind is not installed"
    exit 0
fi
mkdir -p target/bench
# As for the tests: of that package alone, nearly all of its dependencies would be built anew, with other features.
cargo build --locked --quiet --workspace --exclude simulator --bins --tests
target/debug/lambda-scale generate --agents 100 --tasks 2000 --completed 1800 --output "$STATE"
cargo build --locked --quiet --release -p node_gather --no-default-features --features reference --example scan_bench
count=$(valgrind --tool=callgrind --callgrind-out-file=/dev/null target/release/examples/scan_bench "$STATE" scan 2>&1 |
    awk '/Collected/ { print $NF }')
bytes=$(wc -c <"$STATE")
awk -v count="$count" -v bytes="$bytes" -v limit="$LIMIT" 'BEGIN {
    each = count / bytes
    printf "instructions: %.2f per byte of /state, limit %s\n", each, limit
    exit !(count > 0 && each <= limit)
}'
