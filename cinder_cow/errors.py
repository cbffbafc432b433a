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

"""What can fail. Each error names the value, the reason and the remedy.

::

    CowError
      ImageTooBig           the image does not fit into the volume
      VolumeExists          there is something under the volume's name already
      StorageError          Ceph did not do what it was asked
        StorageUnreachable  the cluster does not answer, or not in time
          ConnectionLost    the connection broke while it was used
        StorageFull         no space, or a quota
      BackendNotLoadable    the plugin of `cow_backend` cannot be used

A refusal to clone is not an error: see :class:`cinder_cow.model.Refusal`.
"""


class CowError(Exception):
    """Base of everything that this package raises on purpose."""


class ImageTooBig(CowError):
    """The image does not fit into the volume."""

    def __init__(
        self, image_id: str, image_bytes: int, volume_bytes: int
    ) -> None:
        self.image_id = image_id
        self.image_bytes = image_bytes
        self.volume_bytes = volume_bytes
        gib = -(-image_bytes // 2**30)
        super().__init__(
            f'Image {image_id} holds {image_bytes} bytes and does not fit'
            f' into a volume of {volume_bytes} bytes. Ask for a volume of at'
            f' least {gib} GiB.'
        )


class VolumeExists(CowError):
    """There is an RBD image under the volume's name already."""

    def __init__(self, pool: str, volume_name: str) -> None:
        self.pool = pool
        self.volume_name = volume_name
        super().__init__(
            f'There is an RBD image {pool}/{volume_name} already; it was left'
            f' as it is. If no volume uses it, remove it: rbd rm'
            f' {pool}/{volume_name}'
        )


class StorageError(CowError):
    """Ceph did not do what it was asked, and a retry here will not help."""

    remedy = 'See the Ceph logs and `ceph status`.'

    def __init__(self, action: str, cause: Exception) -> None:
        self.action = action
        self.cause = cause
        super().__init__(f'Could not {action}: {cause}. {self.remedy}')


class StorageUnreachable(StorageError):
    """The cluster does not answer, or not in time."""

    remedy = (
        'Check that this host reaches the Ceph monitors and OSDs, that the'
        ' user has a keyring here, and that this host is not in'
        ' `ceph osd blocklist ls`.'
    )


class ConnectionLost(StorageUnreachable):
    """The connection broke while it was used. Nothing more comes of it."""


class StorageFull(StorageError):
    """The cluster or the pool has no room left."""

    remedy = 'Free space or raise the quota: see `ceph df detail`.'


class BackendNotLoadable(CowError):
    """The plugin that `cow_backend` names cannot be used."""

    def __init__(self, name: str, cause: Exception | str) -> None:
        self.name = name
        super().__init__(
            f'cow_backend = {name} cannot be loaded: {cause}. It must be an'
            f' entry point of the group cinder_cow.backends; for "rbd"'
            f' install the packages python3-rados and python3-rbd where'
            f' the Python of cinder-volume finds them.'
        )
