#!/bin/sh
# Runs libFuzzer on each target of fuzz/, or on those that are named: tools/fuzz.sh SECONDS [TARGET]...
# It prints how many inputs each one ran. An input that breaks a target is in target/fuzz/found/; add it to fuzz/corpus/.
set -eu

cd "$(dirname "$0")/.."
seconds=$1
shift
host=$(rustc -vV | sed -n 's/^host: //p')
# What cargo-fuzz sets, without the sanitizer: it needs a nightly compiler, and there is no unsafe code here to check.
RUSTFLAGS="-C passes=sancov-module -C llvm-args=-sanitizer-coverage-level=4 -C llvm-args=-sanitizer-coverage-inline-8bit-counters \
-C llvm-args=-sanitizer-coverage-pc-table -C llvm-args=-sanitizer-coverage-trace-compares -C codegen-units=16 --cfg fuzzing"
export RUSTFLAGS
# The versions of all that is shipped, and two crates more.
cp Cargo.lock fuzz/guided/Cargo.lock
# With --target the flags are not those of build scripts and macros.
cargo build --quiet --release --target "$host" --target-dir target/fuzz --manifest-path fuzz/guided/Cargo.toml
unset RUSTFLAGS

borrowed() {
    case $1 in
        state) find tests/captures -name state.json -size -50k ;;
        configuration) echo examples/lambda-scale.toml ;;
        trace) find examples/traces -name '*.csv' -size -50k ;;
    esac
}

mkdir -p target/fuzz/found
[ $# -gt 0 ] || set -- $(ls fuzz/corpus)
failed=0
for target; do
    # New inputs are kept apart from those that are committed.
    corpus=target/fuzz/corpus/$target
    mkdir -p "$corpus"
    for file in $(borrowed "$target"); do
        cp "$file" "$corpus/$(echo "$file" | tr / -)"
    done
    log=target/fuzz/$target.log
    if FUZZ_TARGET=$target "target/fuzz/$host/release/guided" "$corpus" "fuzz/corpus/$target" \
        -max_total_time="$seconds" -max_len=65536 -timeout=20 -rss_limit_mb=1024 -print_final_stats=1 \
        -artifact_prefix="target/fuzz/found/$target-" >"$log" 2>&1; then
        found=nothing
    else
        found="an input that breaks it, see $log"
        failed=1
    fi
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log")
    printf '%-14s %10s inputs, %6s a second, found %s\n' "$target" "${runs:-0}" "${rate:-0}" "$found"
done
exit $failed
