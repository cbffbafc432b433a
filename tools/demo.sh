#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs what is missing, starts a cloud on this machine and makes volumes of
# a real image with this driver and with Cinder's own: see --help.

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
"$repo/tools/bootstrap.sh" >&2
PYTHONPATH="$repo/tools${PYTHONPATH:+:$PYTHONPATH}" \
    exec "$repo/.cache/venv/bin/python" -m demo "$@"
