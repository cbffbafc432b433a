#!/bin/bash
# SPDX-License-Identifier: Apache-2.0
# Installs all that the sandbox and the tests need on a bare Debian 12: Debian
# packages (bindep.txt) and a virtual environment (.cache/venv). It ends at
# once when nothing has changed since the last time.

set -euo pipefail

repo=$(cd -- "$(dirname -- "${BASH_SOURCE[0]}")/.." && pwd)
cache=$repo/.cache
venv=$cache/venv
log=$cache/bootstrap.log
stamp=$cache/bootstrap.stamp
policy=/usr/sbin/policy-rc.d
policy_is_ours=no

say() { echo "bootstrap: $*"; }

fail() {
    say "$*" >&2
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    else
        command -v sudo >/dev/null ||
            fail "needs root to install packages: run it as root, or install sudo"
        sudo "$@"
    fi
}

# run TITLE COMMAND...: the output goes to the log, a dot per second to a
# terminal; on failure the log's end is shown.
run() {
    local title=$1 began=$SECONDS pid status=0
    shift
    printf 'bootstrap: %s ' "$title"
    "$@" >>"$log" 2>&1 </dev/null &
    pid=$!
    while kill -0 "$pid" 2>/dev/null; do
        sleep 0.5
        if [ -t 1 ]; then printf .; fi
    done
    wait "$pid" || status=$?
    if [ "$status" != 0 ]; then
        echo "failed"
        tail -n 15 "$log" >&2
        fail "$title failed; the whole output is in $log. Is the network there? Run tools/bootstrap.sh again"
    fi
    echo "($((SECONDS - began)) s)"
}

inputs_hash() {
    for input in bindep.txt tools/requirements.txt setup.cfg tools/bootstrap.sh; do
        echo "$input"
        cat "$repo/$input" 2>/dev/null || true
    done | sha256sum
}

# Debian starts what it installs; a policy that says no keeps it from that.
forbid_services() {
    [ -e "$policy" ] && return
    policy_is_ours=yes
    printf '#!/bin/sh\nexit 101\n' | as_root tee "$policy" >/dev/null
    as_root chmod 755 "$policy"
}

allow_services() {
    if [ "$policy_is_ours" = yes ]; then
        as_root rm -f "$policy"
        policy_is_ours=no
    fi
}

apt_install() {
    forbid_services
    if [ ! -e "$cache/apt-updated" ]; then
        run "apt-get update" as_root apt-get update
        touch "$cache/apt-updated"
    fi
    run "install $*" as_root env DEBIAN_FRONTEND=noninteractive \
        apt-get install -y --no-install-recommends "$@"
    allow_services
}

install_python() {
    local missing=()
    /usr/bin/python3 -c 'import ensurepip, venv' 2>/dev/null ||
        missing+=(python3-venv)
    command -v git >/dev/null || missing+=(git)
    if [ ${#missing[@]} != 0 ]; then apt_install "${missing[@]}"; fi
}

make_venv() {
    if ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
        rm -rf "$venv"
        run "make $venv" /usr/bin/python3 -m venv "$venv"
    fi
}

# uv resolves and installs several times faster than pip. It does not read
# pip's configuration, so that an index that is named there is handed on.
install_uv() {
    run "install uv" "$venv/bin/pip" install uv
    local index
    index=$("$venv/bin/pip" config get global.index-url 2>/dev/null || true)
    if [ -n "$index" ]; then
        export UV_DEFAULT_INDEX=${UV_DEFAULT_INDEX:-$index}
    fi
    export UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-180}
}

# pip_install TITLE ARGUMENTS...: as pip install, into the environment.
pip_install() {
    local title=$1
    shift
    run "$title" "$venv/bin/uv" pip install --python "$venv/bin/python" "$@"
}

install_packages() {
    local missing status=0
    pip_install "install bindep" bindep
    # bindep ends with 1 when it names packages on its standard output.
    missing=$("$venv/bin/bindep" -b -f "$repo/bindep.txt" 2>>"$log") || status=$?
    if [ -n "$missing" ]; then
        # shellcheck disable=SC2086  # one word per package
        apt_install $missing
    elif [ "$status" != 0 ]; then
        fail "bindep failed; see $log"
    fi
}

# The bindings of Ceph come with Debian's python3-rados and python3-rbd alone.
link_bindings() {
    local site module found
    site=$("$venv/bin/python" -c \
        'import sysconfig; print(sysconfig.get_path("platlib"))')
    for module in rados rbd; do
        found=$(/usr/bin/python3 -c \
            "import importlib.util as u; print(u.find_spec('$module').origin)") ||
            fail "no Python module $module; install python3-$module"
        ln -sf "$found" "$site/"
    done
    "$venv/bin/python" -c 'import rados, rbd' ||
        fail "Ceph's bindings do not load in $venv; remove it and run tools/bootstrap.sh again"
}

install_project() {
    pip_install "install Python packages" -r "$repo/tools/requirements.txt"
    if [ -e "$repo/setup.cfg" ]; then
        # What an earlier build has left there hides new entry points.
        rm -rf "$repo/cinder_cow.egg-info"
        pip_install "install the project" -e "$repo"
    else
        say "no setup.cfg: the project itself is not installed"
    fi
}

mkdir -p "$cache"
if [ -x "$venv/bin/python" ] && [ "$(inputs_hash)" = "$(cat "$stamp" 2>/dev/null)" ]; then
    exit 0
fi
trap allow_services EXIT
: >"$log"
rm -f "$stamp" "$cache/apt-updated"
install_python
make_venv
install_uv
install_packages
link_bindings
install_project
inputs_hash >"$stamp"
say "done"
