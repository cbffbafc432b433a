#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Load and faults at once on a cloud of its own: see --help.

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$repo/tools/bootstrap.sh" >&2
PYTHONPATH="$repo/tools${PYTHONPATH:+:$PYTHONPATH}" \
    exec "$repo/.cache/venv/bin/python" -m chaos "$@"
