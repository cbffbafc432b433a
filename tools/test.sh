#!/bin/bash
# SPDX-License-Identifier: Apache-2.0

# Runs the tests: all of them, or the kinds that are named, in this order.
#   tools/test.sh [lint|types|unit|tools|docs|host|compat|ceph|e2e]... [-- PYTEST ARGUMENTS]
#   tools/test.sh chaos|tempest [-- ARGUMENTS], on request only
#
# Paths among the arguments, which begin with tests/, take the place of the
# kind's own folder: tools/test.sh unit -- tests/unit/planning/test_plan.py
#
# A kind that fails, or takes longer than its limit, does not keep the next
# from running. The exit status is 1 when one failed, and the last line names
# all that did.

set -euo pipefail
# A process group for each kind: an interrupt reaches this script alone, which
# hands it on once. A second one would end the clean-up of pytest's fixtures.
set -m

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo"

usage() {
    echo "usage: tools/test.sh [lint|types|unit|tools|docs|host|compat|ceph|e2e|chaos|tempest]... [-- ARGUMENTS]" >&2
    exit 2
}

kinds=()
while [ $# -gt 0 ]; do
    case $1 in
    lint | types | unit | tools | docs | host | compat | ceph | e2e | chaos | tempest)
        kinds+=("$1")
        ;;
    --)
        shift
        break
        ;;
    *) usage ;;
    esac
    shift
done
# The whole matrix of releases is tried where it is asked for by its name.
all=no
if [ ${#kinds[@]} = 0 ]; then
    kinds=(lint types unit tools docs host compat ceph e2e)
    all=yes
fi

tools/bootstrap.sh
bin=$repo/.cache/venv/bin
export PATH=$bin:$PATH

running=

stop() {
    trap '' INT TERM
    if [ -n "$running" ]; then
        kill -INT "$running" 2>/dev/null || true
        wait "$running" || true
    fi
    exit 130
}
trap stop INT TERM

# limited LIMIT COMMAND...: at the limit it is interrupted, and its fixtures
# stop what they started.
limited() {
    timeout --foreground --signal=INT --kill-after=3m "$@" </dev/null &
    running=$!
    local status=0
    wait "$running" || status=$?
    running=
    return "$status"
}

# folder KIND PYTEST ARGUMENTS...: what is tested, unless they say so.
folder() {
    local kind=$1 argument
    shift
    for argument; do
        case $argument in tests/*) return ;; esac
    done
    echo "tests/$kind"
}

lint() { ruff check . && ruff format --check .; }

# Those that need a real Cinder or Ceph run in the environment of the sandbox;
# tox makes one without them for the unit tests and the documents.
run_kind() {
    local kind=$1 tested
    shift
    tested=$(folder "$kind" "$@")
    case $kind in
    lint) lint ;;
    types) mypy ;;
    unit) limited 15m tox -q -e py3 -- ${tested:+-n auto --dist worksteal "$tested"} "$@" ;;
    docs) limited 15m tox -q -e docs ;;
    tools | host)
        limited 10m python -m pytest --durations=5 ${tested:+"$tested"} "$@"
        ;;
    compat)
        if [ $all = yes ]; then set -- --short; fi
        limited 40m tools/compat.sh "$@"
        ;;
    tempest) limited 40m tools/compat.sh --tempest "$@" ;;
    ceph | e2e)
        limited 40m python -m pytest --durations=5 ${tested:+"$tested"} "$@"
        ;;
    chaos) limited 15m tools/chaos.sh 1.5 --seed 1 --hosts 2 "$@" ;;
    esac
}

failed=()
for kind in "${kinds[@]}"; do
    began=$SECONDS
    status=0
    run_kind "$kind" "$@" || status=$?
    # 124 is timeout's: the limit was reached; 137: and it had to be killed.
    case $status in
    0) continue ;;
    124 | 137) failed+=("$kind (stopped after $((SECONDS - began)) s)") ;;
    *) failed+=("$kind") ;;
    esac
    echo "tools/test.sh: $kind failed, status $status" >&2
done
if [ ${#failed[@]} -gt 0 ]; then
    printf 'tools/test.sh: failed:' >&2
    printf ' %s' "${failed[@]}" >&2
    echo >&2
    exit 1
fi
