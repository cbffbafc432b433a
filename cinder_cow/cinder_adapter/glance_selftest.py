# SPDX-License-Identifier: Apache-2.0
"""The part of the start-up's self-test that asks Glance."""

from cinder_cow.cinder_adapter import service_user
from cinder_cow.sources import glance_selftest
from cinder_cow.sources.glance_selftest import GlanceSeen


def look() -> GlanceSeen:
    """What the user of the [glance] section is shown."""
    if not service_user.is_configured():
        return glance_selftest.no_section()
    return glance_selftest.look(service_user.images)
