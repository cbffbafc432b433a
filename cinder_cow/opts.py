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
    cfg.ListOpt(
        'cow_sources',
        default=['rbd', 'glance'],
        help='Where the bytes of an image that cannot be cloned are read'
        ' from, the first that has it: entry points of the group'
        ' cinder_cow.sources. "rbd" reads Glance\'s own RBD image by librbd,'
        ' and only what exists of it; "glance" is the image API.',
    ),
    cfg.DictOpt(
        'cow_remote_clusters',
        default={},
        help='Other Ceph clusters that Glance stores images in, for the'
        ' source "rbd": path of the ceph.conf and cephx user of each, as'
        ' /etc/ceph/far.conf:cinder. The user needs "profile rbd-read-only"'
        ' on the pool of the images. Locations there are trusted by the same'
        ' rules as those here.',
    ),
    cfg.ListOpt(
        'cow_glance_stores',
        default=[],
        help="Glance's stores, by their names in glance-api.conf, that the"
        ' source "glance" asks Glance to read from first. Empty leaves the'
        ' choice to Glance.',
    ),
    cfg.IntOpt(
        'cow_copy_memory_bytes',
        default=64 * 2**20,
        min=2**20,
        help='Bytes that one copy holds in memory at most, whatever the size'
        ' of the image. The default keeps 16 RBD objects of 4 MiB in flight,'
        ' beyond which the writes of one copy hardly gain.',
    ),
    cfg.IntOpt(
        'cow_max_copies',
        default=4,
        min=1,
        help='Copies that one backend makes at once; the others wait in the'
        ' order of their coming. Clones never wait. Each copy takes'
        ' cow_copy_memory_bytes and, for the hash, most of a core.',
    ),
    cfg.IntOpt(
        'cow_copy_retries',
        default=1,
        min=0,
        help='How often a copy is begun anew whose source broke where it'
        ' cannot be taken up again, or whose bytes were not those that Glance'
        ' has the hash of. More often than once hides a damaged store.',
    ),
    cfg.IntOpt(
        'cow_stall_seconds',
        default=60,
        min=1,
        help='Seconds without a single byte from the source after which a'
        ' copy fails. The default is what glance-api may need under load for'
        ' its first byte.',
    ),
    cfg.BoolOpt(
        'cow_require_hash',
        default=False,
        help='Refuse to copy an image that Glance has no hash of (one that was'
        ' added by its location, or is a snapshot by Nova), and hash also'
        ' what the source "rbd" reads of sparse images, holes and all.'
        ' Clones copy nothing and are not concerned.',
    ),
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The options for oslo-config-generator."""
    return [('backend_defaults', OPTS)]
