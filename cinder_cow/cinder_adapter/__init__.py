# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
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
