#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Tries the package on every release of Cinder that is claimed: see --help.

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$repo/tools/bootstrap.sh" >&2
export PATH=$repo/.cache/venv/bin:$PATH # for cinder-cow, which tests call
PYTHONPATH="$repo/tools:$repo${PYTHONPATH:+:$PYTHONPATH}" \
    exec "$repo/.cache/venv/bin/python" -m compat "$@"
