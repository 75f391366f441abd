#!/bin/sh
# bench-scan.sh AGENTS:TASKS ...: generates a /state of each size and measures how it is read: all readers in turn, then the memory
# of three of them, then one within 128 MiB of address space, the memory of the smallest Lambda.
set -eu

BENCH=target/release/examples/scan_bench

for cluster in "$@"; do
    state=$(tools/state.sh "$cluster")
    "$BENCH" "$state" 5
    for reader in scan http+scan gather; do
        "$BENCH" "$state" "$reader"
    done
    (
        ulimit -v 131072
        echo "within 128 MiB of address space:"
        "$BENCH" "$state" http+scan
    )
    echo
done
