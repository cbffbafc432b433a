#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Runs a program of another Debian, whose root is a folder; needs root.
#   in_root.sh ROOT FOLDER[:PATH]... -- COMMAND...
#
# The folders are seen there, under their own paths where none is given. The
# mounts are seen by the program alone and end with it; it has the pid of this
# script.

set -euo pipefail

if [ -z "${IN_ROOT_MOUNTS:-}" ]; then
    IN_ROOT_MOUNTS=own exec unshare --mount "$0" "$@"
fi
unset IN_ROOT_MOUNTS

root=$1
shift
# A mount of its own: unshare works there too, for a root within a root.
mount --rbind "$root" "$root"
mount --rbind /dev "$root/dev"
mount -t proc proc "$root/proc"
while [ "$1" != -- ]; do
    seen=$root${1##*:}
    mkdir -p "$seen"
    mount --rbind "${1%%:*}" "$seen"
    shift
done
shift
exec chroot "$root" env -C "$PWD" "$@"
