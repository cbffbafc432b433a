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
"""The options, all in the backend's own section of cinder.conf."""

from oslo_config import cfg

OPTS = [
    cfg.StrOpt(
        'cow_backend',
        default='rbd',
        help='Storage plugin that makes the volumes: the name of an entry'
        ' point in the group cinder_cow.backends. The default is the only'
        ' one that comes with this package.',
    ),
    cfg.ListOpt(
        'cow_image_pools',
        default=[],
        help='Pools whose images may be cloned: those that Glance stores'
        ' images in. A location in any other pool is refused, and the volume'
        ' is made by a full copy. Empty means any pool but rbd_pool, since a'
        ' location that points among the volumes may point at the volume of'
        ' another project. Name the pools where you know them.',
    ),
    cfg.BoolOpt(
        'cow_strict_locations',
        default=True,
        help='Clone only from a location whose RBD image is named by the'
        ' Glance image id and whose snapshot is "snap", which is how Glance'
        " itself names them. Any other was written by hand through Glance's"
        ' API, and may point at the data of another project. Turn it off'
        ' only where users cannot add locations, and images made outside of'
        ' Glance have to be cloned.',
    ),
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The options for oslo-config-generator."""
    return [('backend_defaults', OPTS)]
