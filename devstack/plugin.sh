# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sourced by stack.sh, with the mode and the phase as arguments: see
# devstack/README.rst.

# The backends that lib/cinder_backends/ceph has configured, by name.
function cow_backends {
    local backend
    for backend in ${CINDER_ENABLED_BACKENDS//,/ }; do
        if [[ "${backend%%:*}" == ceph ]]; then
            echo "${backend##*:}"
        fi
    done
}

function install_cow {
    pip_install "$DEST/cinder-cow"
}

# Each RBD backend gets our driver; what else is in its section stays.
function configure_cow {
    local backends backend
    backends=$(cow_backends)
    if [[ -z "$backends" ]]; then
        die "$LINENO" "cinder-cow: there is no backend of the type ceph in" \
            "CINDER_ENABLED_BACKENDS=$CINDER_ENABLED_BACKENDS; enable" \
            "devstack-plugin-ceph before this plugin"
    fi
    for backend in $backends; do
        iniset "$CINDER_CONF" "$backend" volume_driver \
            cinder_cow.driver.CowRBDDriver
        iniset "$CINDER_CONF" "$backend" cow_image_pools "$GLANCE_CEPH_POOL"
        iniset "$CINDER_CONF" "$backend" image_volume_cache_enabled False
    done
}

if is_service_enabled c-vol; then
    case "${1:-} ${2:-}" in
    "stack install") install_cow ;;
    "stack post-config") configure_cow ;;
    esac
fi
