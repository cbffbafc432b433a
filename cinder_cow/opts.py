# SPDX-License-Identifier: Apache-2.0
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
        ' images in. An image with a location in any other pool is not cloned'
        ' there. Empty means any pool but rbd_pool and cow_base_pool, since a'
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
        help='Copies that one backend makes at once; the others wait, and the'
        ' next is of the project that has the fewest, in turn. Clones never'
        ' wait. Each copy takes cow_copy_memory_bytes and, for the hash, most'
        ' of a core.',
    ),
    cfg.IntOpt(
        'cow_max_waiting_copies',
        default=48,
        min=0,
        help='Copies that wait in one cinder-volume process for cow_max_copies'
        ' at most. One more fails at once, so that the scheduler tries another'
        ' host, or takes the place of one of the project that has most places.'
        ' Each holds one of the threads that serve requests, of which'
        ' oslo.messaging has 64 (executor_thread_pool_size): the default'
        ' leaves a quarter of them free. Where more volumes of one new image'
        ' are asked for at once, raise both.',
    ),
    cfg.IntOpt(
        'cow_copy_seconds',
        default=24 * 3600,
        min=60,
        help='The longest copy of one image, in seconds, all its tries'
        ' together and without the wait for its beginning. The default lets'
        ' the slowest source that cow_min_copy_bytes_per_second allows give'
        ' 84 GiB.',
    ),
    cfg.IntOpt(
        'cow_min_copy_bytes_per_second',
        default=2**20,
        min=0,
        help='Bytes per second that a source has to give on average of a'
        ' minute, to which one silence of cow_stall_seconds is added; a slower'
        ' copy fails, as it would hold its place among cow_max_copies for'
        ' days. The time that the destination takes does not count. Only for'
        ' sources that are read in order, such as "glance". The default is a'
        ' tenth of what a network of 100 Mbit/s carries. 0 allows any rate.',
    ),
    cfg.IntOpt(
        'cow_copy_retries',
        default=1,
        min=0,
        help='How often a copy is started again whose source broke where it'
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
    cfg.StrOpt(
        'cow_base_images',
        default='auto',
        choices=[
            (
                'auto',
                'of images that have to be converted (qcow2, vmdk, vhd, vhdx,'
                ' vdi, qed, ploop), and of raw images and isos that cannot be'
                ' cloned where they lie and have at most cow_base_auto_bytes',
            ),
            ('always', 'of those too that could be cloned where they lie'),
            ('never', 'of none: they are streamed, or left to Cinder'),
        ],
        help='Of which images a base is made: a raw RBD image that is kept,'
        ' one per content, and that all volumes are clones of. Images of'
        ' unknown size get none. Where a base is there it is used, but with'
        ' "never". With "always" no volume is a child of an image of'
        " Glance's, which can be deleted then.",
    ),
    cfg.IntOpt(
        'cow_base_auto_bytes',
        default=20 * 2**30,
        min=0,
        help='With cow_base_images = auto, the largest raw image or iso that'
        ' a base is made of, in bytes. A larger one is streamed into its'
        ' volume: it seldom has many volumes, and a base takes its size of'
        ' the pool for as long as it is kept.',
    ),
    cfg.StrOpt(
        'cow_base_pool',
        default='',
        help="Pool for the base images, in the volumes' cluster. Empty means"
        ' rbd_pool. The cephx user needs "profile rbd" on it.',
    ),
    cfg.IntOpt(
        'cow_base_max_bytes',
        min=0,
        help='What all base images may take of the cluster, in bytes before'
        ' replication. When they take more, those without volumes are'
        ' removed, the least recently used first; where one more would exceed'
        ' it, that one is not built, and the create of the volume fails. Not'
        ' set means cow_base_max_share.',
    ),
    cfg.FloatOpt(
        'cow_base_max_share',
        default=0.2,
        min=0,
        max=1,
        help='The same limit as a part of what the pool of the base images can'
        ' hold: what is stored there and what can still be written. The'
        ' default leaves four fifths for volumes.',
    ),
    cfg.IntOpt(
        'cow_base_max_count',
        default=1000,
        min=0,
        help='The most base images. Each is looked at by each sweep, which'
        ' takes a few milliseconds.',
    ),
    cfg.FloatOpt(
        'cow_base_max_share_per_project',
        default=0.5,
        min=0,
        max=1,
        help='The part of cow_base_max_bytes or cow_base_max_share that base'
        ' images of one project may take, by the owner of the Glance image.'
        ' The default keeps one project from pushing out all others. Set it'
        ' to 1 where nearly all images belong to one project.',
    ),
    cfg.IntOpt(
        'cow_base_max_idle_seconds',
        default=30 * 24 * 3600,
        min=-1,
        help='A base image without volumes is removed when none was made of it'
        ' for so long. The default is 30 days. 0 removes it at the next'
        ' sweep, -1 never.',
    ),
    cfg.IntOpt(
        'cow_base_once_idle_seconds',
        default=6 * 3600,
        min=-1,
        help='The same for a base image that no volume was made of but in the'
        ' first minute after it was built: as a rule one of an image that is'
        ' used once. The default is 6 hours. -1 means'
        ' cow_base_max_idle_seconds.',
    ),
    cfg.IntOpt(
        'cow_base_sweep_seconds',
        default=600,
        min=0,
        help='How often cinder-volume looks for base images to remove: idle'
        ' ones, those over the limits of space, those of images that were'
        ' deleted in Glance, and what a killed process left unfinished. One'
        ' process in the cluster does it at a time. 0 turns it off.',
    ),
    cfg.StrOpt(
        'cow_warm_images',
        default='off',
        choices=[
            ('off', 'none; Glance is not asked'),
            ('marked', 'images with the property cow_warm=true'),
            ('public', 'public images'),
            (
                'used',
                'new images that have the name and the owner of one that'
                ' volumes were made of in the last cow_warm_used_seconds',
            ),
            ('all', 'all images'),
        ],
        help='Images whose base is built before a volume is asked for, so'
        ' that the first volume is a clone too. An image with the property'
        ' cow_warm=false is left out, and so is a hidden one. Such a build'
        ' gives way to the copies of volumes, evicts no other base, and comes'
        ' beside cow_max_copies: half as many more at most. One process in'
        ' the cluster does it, as the user of the [glance] section.',
    ),
    cfg.IntOpt(
        'cow_warm_poll_seconds',
        default=30,
        min=1,
        help='How often Glance is asked for new and changed images, in'
        ' seconds. Where there are none it is one request. Only with'
        ' cow_warm_images.',
    ),
    cfg.IntOpt(
        'cow_warm_used_seconds',
        default=7 * 24 * 3600,
        min=60,
        help='With cow_warm_images = used, for how long after its last volume'
        ' an image counts as used, in seconds. The default is 7 days.',
    ),
    cfg.IntOpt(
        'cow_convert_seconds',
        default=3600,
        min=1,
        help='The longest conversion of one image, in seconds, and the most'
        ' CPU time that it may take. qemu-img is killed then.',
    ),
    cfg.IntOpt(
        'cow_convert_memory_bytes',
        default=4 * 2**30,
        min=2**30,
        help='Address space of qemu-img in bytes, of which it needs 768 MiB at'
        ' least (QEMU 7.2, librbd 16); it uses far less memory. An image that'
        ' is made to exhaust the host ends there.',
    ),
    cfg.BoolOpt(
        'cow_require_confinement',
        default=False,
        help='Refuse to convert an image where the kernel cannot shut qemu-img'
        ' in (Landlock, Linux 5.13 or newer). By default it is converted all'
        ' the same: the checks of the image before, and by QEMU itself, are'
        ' the only walls then, and the self-test warns.',
    ),
    cfg.BoolOpt(
        'cow_require_hash',
        default=False,
        help='Refuse to copy an image that Glance has no hash of (one that was'
        ' added by its location, or is a snapshot by Nova), and hash also'
        ' what the source "rbd" reads of sparse images into a volume, holes'
        ' and all. Base images that are shared by a hash are always verified'
        ' by it. Clones copy nothing and are not concerned.',
    ),
    cfg.BoolOpt(
        'cow_volume_metadata',
        default=False,
        help='Write how a volume was made into its metadata, as cow_method'
        ' and cow_reason, which its owner sees, and may change or delete. A'
        ' key that the owner has set is left alone. Administrators see the'
        ' same in provider_id whatever this says. Off by default: metadata'
        ' belongs to the owner.',
    ),
    cfg.StrOpt(
        'cow_metrics_address',
        default='',
        help='Where cinder-volume serves metrics of this backend for'
        ' Prometheus: ADDRESS:PORT, as 127.0.0.1:9282 or [::1]:9282, or'
        ' unix:/PATH of a socket. A port alone is one of 127.0.0.1. Each'
        ' backend is a process and needs an address of its own. Whoever'
        ' reaches it reads without a password what is counted, which names no'
        ' project, volume or user. Empty, the default, serves nothing.',
    ),
]


def list_opts() -> list[tuple[str, list[cfg.Opt]]]:
    """The options for oslo-config-generator."""
    return [('backend_defaults', OPTS)]
