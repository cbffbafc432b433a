# SPDX-License-Identifier: Apache-2.0
"""What we know about Cinder. Beside driver.py, all that imports it.

``terms`` brings Cinder's terms into ours, ``failures`` our errors into
Cinder's; ``records`` is what the log and the database are told; ``selftest``
asks Glance at start-up. Written against the releases 24 to 29; what differs
between them is said where it matters.
"""

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd as upstream  # noqa: F401  isort: skip

#: Names of upstream's driver that are not public and that driver.py uses,
#: with their parameters. The same from Cinder 21 to 29.
UPSTREAM_PRIVATE = {
    '_setup_volume': ('self', 'volume', 'volume_type'),
    '_get_config_tuple': ('self', 'remote'),
}
#: The same of Cinder's Glance client, which a download needs.
GLANCE_PRIVATE = {
    '_create_onetime_client': ('self', 'context', 'privileged_user')
}
