#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, starts a cloud on this machine and measures this
# driver against Cinder's own and against what the machine allows: see --help.

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$repo/tools/bootstrap.sh" >&2
PYTHONPATH="$repo/tools:$repo${PYTHONPATH:+:$PYTHONPATH}" \
    exec "$repo/.cache/venv/bin/python" -m benchmarks "$@"
