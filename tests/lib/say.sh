# shellcheck shell=bash
# Progress lines with elapsed time, and steps that say how long they took.

RESTWARD_CACHE="${RESTWARD_CACHE:-$HOME/.cache/restward}"
export RESTWARD_CACHE
SAY_START="${SAY_START:-$(date +%s)}"
export SAY_START

# say TEXT: one progress line with the minutes since the start.
say() {
    local elapsed=$(($(date +%s) - SAY_START))
    printf '[%02d:%02d] %s\n' $((elapsed / 60)) $((elapsed % 60)) "$*"
}

# die TEXT: say what is wrong and stop.
die() {
    printf 'error: %s\n' "$*" >&2
    exit 1
}

# step TEXT COMMAND...: run COMMAND and say how long it took; its failure is the step's failure. COMMAND runs in a shell of
# its own, not as part of a condition: there bash would ignore errexit, and a function would go on after its first error.
step() {
    local what="$1" begin code
    shift
    begin=$(date +%s)
    say "$what"
    set +e
    (
        set -e
        "$@"
    )
    code=$?
    set -e
    [ "$code" = 0 ] || {
        say "FAILED: $what (exit $code)"
        return "$code"
    }
    say "done: $what ($(($(date +%s) - begin)) s)"
}

# quietly LOG COMMAND...: run COMMAND, as above, with its output in LOG; show the end of LOG when it fails.
quietly() {
    local log="$1" code
    shift
    mkdir -p "$(dirname "$log")"
    set +e
    (
        set -e
        "$@"
    ) >"$log" 2>&1
    code=$?
    set -e
    [ "$code" = 0 ] || {
        tail -n 60 "$log" >&2
        printf 'the whole output: %s\n' "$log" >&2
        return "$code"
    }
}
