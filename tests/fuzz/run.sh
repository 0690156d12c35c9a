#!/usr/bin/env bash
# Builds every fuzz target and runs each for a bounded time (seconds, by default 60), from its seeds and from what earlier runs found.
#
#   tests/fuzz/run.sh [SECONDS [TARGET]...]
#
# The target "config" builds the whole controller once more: with FUZZ_QUICK=1 it is left out.
#
# With FUZZ_RUNS=N each target makes N executions of one fixed course, from its seeds alone: a change is judged by itself and not by the luck of
# the day. Without it the search goes on where earlier runs ended.
#
# With FUZZ_COMPARES=0 the fuzzer does not look at what the code compares: it learns no new words that way, and does three times as many
# executions of the flow syntax in the same time. For long runs from a corpus that has the words already.
#
# It is libFuzzer on stable Rust: the compiler flags below are what cargo-fuzz would pass, less what only nightly has. One line per target; the last
# line counts. An input that breaks a target is kept, and is to become a test vector before the bug is mended.
set -u -o pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
[ $# -gt 0 ] && shift
mapfile -t targets < <(if [ $# -gt 0 ]; then printf '%s\n' "$@"; else sed -n 's/^name = "\(.*\)"$/\1/p' Cargo.toml | tail -n +2; fi)

features="--all-features"
left_out=0
if [ -n "${FUZZ_QUICK:-}" ]; then
    features=""
    left_out=1
    kept=()
    for target in "${targets[@]}"; do [ "$target" = config ] || kept+=("$target"); done
    targets=("${kept[@]}")
    echo "skipped: fuzz config: it builds the whole controller once more (make fuzz and .ci/run do)"
fi

# Beside the build directory of the workspace, never in it: other flags.
export CARGO_TARGET_DIR=${FUZZ_TARGET_DIR:-../../target/fuzz}
triple=$(rustc -vV | sed -n 's/^host: //p')
coverage="-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 -Cllvm-args=-sanitizer-coverage-inline-8bit-counters"
coverage="$coverage -Cllvm-args=-sanitizer-coverage-pc-table"
[ "${FUZZ_COMPARES:-1}" = 0 ] || coverage="$coverage -Cllvm-args=-sanitizer-coverage-trace-compares"

give_up() {
    echo "skipped: fuzz: $1"
    echo "0 passed, 0 failed, $((${#targets[@]} + left_out)) skipped"
    exit 0
}
case $triple in *-linux-gnu) ;; *) give_up "libFuzzer is built here on Linux with glibc only, not on $triple" ;; esac
command -v c++ >/dev/null || give_up "no C++ compiler (Debian: g++)"

# --target keeps the flags away from build scripts, which run without the fuzzer.
if ! RUSTFLAGS="--cfg fuzzing $coverage" cargo build --quiet --release --target "$triple" $features; then
    echo "FAILED  fuzz: the targets do not build"
    echo "0 passed, 1 failed, $left_out skipped"
    exit 1
fi

passed=0 failed=0
for target in "${targets[@]}"; do
    # The fixed course has a folder of its own: what an open search has found stays.
    corpus=$CARGO_TARGET_DIR/corpus/$target
    [ -n "${FUZZ_RUNS:-}" ] && corpus=$CARGO_TARGET_DIR/course/$target
    findings=$CARGO_TARGET_DIR/findings/$target
    log=$CARGO_TARGET_DIR/$target.log
    mkdir -p "$corpus" "$findings"
    sources=("$corpus")
    [ -d "seeds/$target" ] && sources+=("seeds/$target")
    # Third-party vectors are good seeds, where they are.
    for folder in $(sed -n "s/^$target: //p" vectors.txt); do
        [ -n "${TRUNKLINE_VECTORS:-}" ] && [ -d "$TRUNKLINE_VECTORS/$folder" ] && sources+=("$TRUNKLINE_VECTORS/$folder")
    done
    if [ -n "${FUZZ_RUNS:-}" ]; then
        rm -rf "$corpus"
        mkdir -p "$corpus"
    fi
    # The longest message has 65535 octets, and a step of the switch or the channel is a whole one.
    case $target in switch | openflow_channel | openflow_message) max_len=65535 ;; *) max_len=8192 ;; esac
    limits=(-max_total_time="$seconds" -timeout=20 -rss_limit_mb=1024 -max_len="$max_len" -print_final_stats=1)
    [ -n "${FUZZ_RUNS:-}" ] && limits+=(-seed=1 -runs="$FUZZ_RUNS")
    if "$CARGO_TARGET_DIR/$triple/release/$target" "${limits[@]}" -artifact_prefix="$findings/" "${sources[@]}" >"$log" 2>&1; then
        runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log")
        echo "ok      fuzz $target ($runs executions, at most $seconds s)"
        passed=$((passed + 1))
    else
        echo "FAILED  fuzz $target"
        grep -E 'panicked at|assertion|ERROR:|artifact|Test unit written' -A2 "$log" | head -20
        failed=$((failed + 1))
    fi
done
echo "$passed passed, $failed failed, $left_out skipped"
[ $failed = 0 ]
