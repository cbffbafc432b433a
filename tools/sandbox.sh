#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Starts and stops the sandbox: see "tools/sandbox.sh --help".

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$repo/tools/bootstrap.sh" >&2
PYTHONPATH="$repo/tools${PYTHONPATH:+:$PYTHONPATH}" \
    exec "$repo/.cache/venv/bin/python" -m sandbox "$@"
