#!/bin/sh
# Generates a /state for each AGENTS:TASKS that is given, and measures how it is read: the ways in turn, the memory of
# some of them alone, and the largest within 128 MiB of address space, as much as the smallest Lambda has.
set -eu

BENCH=target/release/examples/scan_bench
mkdir -p target/bench

for cluster in "$@"; do
    agents=${cluster%:*}
    tasks=${cluster#*:}
    document=target/bench/$agents.$tasks.json
    test -e "$document" ||
        target/debug/lambda-scale generate --agents "$agents" --tasks "$tasks" --output "$document"
    "$BENCH" "$document" 5
    for way in scan http+scan gather; do
        "$BENCH" "$document" "$way"
    done
    (
        ulimit -v 131072
        echo "within 128 MiB of address space:"
        "$BENCH" "$document" http+scan
    )
    echo
done
