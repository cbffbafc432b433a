# SPDX-License-Identifier: Apache-2.0
"""All that imports Cinder, beside driver.py: its terms, errors and services.

May import wiring and what is below it. Written against the releases 24 to 29;
what differs between them is said where it matters. What is used of Cinder's
private names is listed here; a test compares it with the installed Cinder.
"""

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd as upstream  # noqa: F401  isort: skip

UPSTREAM_PRIVATE = {
    '_setup_volume': ('self', 'volume', 'volume_type'),
    '_get_config_tuple': ('self', 'remote'),
}
GLANCE_PRIVATE = {
    '_create_onetime_client': ('self', 'context', 'privileged_user')
}
