#!/usr/bin/env bash
# Everything that can be tested here, one part after the other. A failed part does not stop the others.
# What could not run is listed at the end, with the reason, and the last line counts: N passed, N failed, N skipped.
set -u -o pipefail
cd "$(dirname "$0")/.."

# Absolute: cargo runs a test in its package's directory.
target=$(realpath -m "${CARGO_TARGET_DIR:-target}")
logs=$target/test-logs
mkdir -p "$logs"
passed=0 failed=0 skipped=0
skips=() failures=()

announce() { printf '\n==== %s\n' "$*"; }
skip() {
    skipped=$((skipped + ${3:-1}))
    skips+=("$1: $2")
    echo "skipped: $1: $2"
}
fail() {
    failed=$((failed + 1))
    failures+=("$1")
    echo "FAILED  $1"
}

# part NAME COMMAND...: one check that passes or fails as the command does.
part() {
    local name=$1
    shift
    announce "$name"
    local start=$SECONDS
    if "$@"; then
        passed=$((passed + 1))
        echo "ok      $name ($((SECONDS - start)) s)"
    else
        fail "$name"
    fi
}

# Adds up the result lines of libtest, and counts a test that printed "skipped: REASON" as skipped, not as passed.
count_tests() {
    local log=$1 reason times
    while read -r p f i; do
        passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + i))
        if [ "$i" != 0 ]; then skips+=("cargo test: $i ignored tests"); fi
    done < <(sed -n 's/^test result: .* \([0-9]*\) passed; \([0-9]*\) failed; \([0-9]*\) ignored.*/\1 \2 \3/p' "$log")
    while read -r times reason; do
        skipped=$((skipped + times)) passed=$((passed - times))
        skips+=("cargo test: $times tests: $reason")
    done < <(sed -n 's/^skipped: //p' "$log" | sort | uniq -c)
}

# The last line "N passed, N failed, N skipped" of a log.
count_lab() {
    local log=$1 p f s
    read -r p f s < <(sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p' "$log" | tail -1)
    if [ -z "${s:-}" ]; then
        fail "lab (it ended without a count)"
        return
    fi
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    while read -r line; do skips+=("$line"); done < <(sed -n 's/^skipped: //p' "$log" | sort -u)
    # A scenario that failed while the machine stood still was tried again, and counts as its last attempt did.
    if [ "$f" -gt 0 ]; then
        while read -r line; do failures+=("$line"); done < <(sed -n 's/^FAILED *//p' "$log")
    fi
}

# Otherwise the first sign of a full disk is a linker that dies.
free=$(df -Pk "$target" | awk 'NR == 2 { print int($4 / 1048576) }')
if [ "${free:-99}" -lt 6 ]; then
    echo "only $free GiB are free at $target: everything together takes about 5 there, and 14 with what the compiler keeps for the next build"
    echo "(CARGO_INCREMENTAL=0 CARGO_PROFILE_DEV_DEBUG=0 keeps less)"
fi

debian_root=no
if [ "$(id -u)" = 0 ] && [ -e /etc/debian_version ]; then debian_root=yes; fi

if [ $debian_root = yes ]; then
    part "what the lab needs is installed" tests/lab/install.sh
fi

if cargo fmt --version >/dev/null 2>&1; then
    part "format" cargo fmt --all --check
else
    skip "format" "rustfmt is not installed"
fi

if cargo clippy --version >/dev/null 2>&1; then
    part "lints" cargo clippy --quiet --workspace --all-targets --all-features -- -D warnings
    part "lints of the lab" cargo clippy --quiet -p trunkline-tests --no-deps --all-features --test lab -- -D warnings
else
    skip "lints" "clippy is not installed"
fi

announce "tests"
log=$logs/cargo-test.log
cargo test --workspace --all-features --no-fail-fast -- --show-output 2>&1 | tee "$log" |
    grep --line-buffered -E '^(test result|     Running|   Doc-tests|skipped:|error)|FAILED|panicked at'
if [ "${PIPESTATUS[0]}" != 0 ]; then
    if grep -q '^test result: FAILED' "$log"; then
        # What each failed binary says, without the frames of backtraces.
        awk '/^failures:$/ { on = 1 } /^test result/ { on = 0 } on' "$log" | grep -vE '^ +([0-9]+:|at) ' | head -400
        failures+=("cargo test: all of it in $log")
    else
        tail -60 "$log"
        fail "cargo test (see $log)"
    fi
fi
count_tests "$log"

part "documentation" env RUSTDOCFLAGS="-D warnings" cargo doc --quiet --workspace --no-deps --all-features

if cargo deny --version >/dev/null 2>&1; then
    part "dependencies" cargo deny check
else
    skip "dependencies (cargo deny check)" "cargo-deny is not installed; licences are checked by tests/architecture.rs all the same"
fi

announce "fuzzing"
log=$logs/fuzz.log
if [ -z "${FUZZ_ALL:-}" ]; then export FUZZ_QUICK=1; fi
FUZZ_RUNS=${FUZZ_RUNS-100000} tests/fuzz/run.sh "${FUZZ_SECONDS:-60}" 2>&1 | tee "$log"
count_lab "$log"

announce "lab"
log=$logs/lab.log
if [ $debian_root = yes ]; then
    # The binary that users run; the program that drives it is as good without optimisation.
    if cargo build --quiet --release -p trunkline-controller; then
        TRUNKLINE_BIN=$target/release/trunkline cargo test --quiet --workspace --all-features --test lab -- --short 2>&1 |
            tee "$log"
        count_lab "$log"
    else
        fail "lab (the release build)"
    fi
else
    scenarios=$(cargo test --quiet --workspace --all-features --test lab -- --list 2>/dev/null | wc -l)
    skip "lab" "needs root on Debian ($scenarios scenarios)" "$scenarios"
fi

echo
if [ ${#failures[@]} -gt 0 ]; then
    echo "==== FAILED:"
    printf '  %s\n' "${failures[@]}"
fi
if [ ${#skips[@]} -gt 0 ]; then
    echo "==== SKIPPED:"
    printf '  %s\n' "${skips[@]}"
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ $failed = 0 ]
