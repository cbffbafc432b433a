#!/bin/bash
# SPDX-License-Identifier: Apache-2.0

# Runs the tests: all of them, or the kinds that are named, in this order.
#   tools/test.sh [lint|types|unit|host|ceph|e2e]... [-- PYTEST ARGUMENTS]

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cd "$repo"

usage() {
    echo "usage: tools/test.sh [lint|types|unit|host|ceph|e2e]... [-- PYTEST ARGUMENTS]" >&2
    exit 2
}

kinds=()
while [ $# -gt 0 ]; do
    case $1 in
    lint | types | unit | host | ceph | e2e) kinds+=("$1") ;;
    --)
        shift
        break
        ;;
    *) usage ;;
    esac
    shift
done
[ ${#kinds[@]} -gt 0 ] || kinds=(lint types unit host ceph e2e)

tools/bootstrap.sh
bin=$repo/.cache/venv/bin
export PATH=$bin:$PATH

# The three that need a real Cinder or Ceph run in one pytest, in the
# environment of the sandbox; tox makes one without them for the unit tests.
real=()
for kind in "${kinds[@]}"; do
    case $kind in
    lint)
        ruff check .
        ruff format --check .
        ;;
    types) mypy ;;
    unit) tox -q -e py3 -- tests/unit "$@" ;;
    *) real+=("tests/$kind") ;;
    esac
done
if [ ${#real[@]} -gt 0 ]; then
    python -m pytest --durations=5 "${real[@]}" "$@"
fi
