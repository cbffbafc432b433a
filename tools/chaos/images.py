# SPDX-License-Identifier: Apache-2.0
"""The images of a run: of each kind, in two projects."""

from collections.abc import Mapping
from dataclasses import dataclass
import pathlib

from chaos import contents
from chaos.contents import Content
from sandbox.cloud import Cloud

ADMIN, DEMO = 'admin', 'demo'


@dataclass(frozen=True, slots=True)
class Kind:
    """An image to be made.

    :param disk: the name of its content, which two kinds may share.
    :param store: of Glance: ceph and far are RBD in two clusters.
    """

    disk: str
    disk_format: str
    store: str
    mib: int
    owner: str
    visibility: str = 'private'


KINDS = (
    Kind('raw-near', 'raw', 'ceph', 32, ADMIN, 'public'),
    Kind('raw-far', 'raw', 'far', 24, ADMIN, 'public'),
    Kind('raw-disk', 'raw', 'disk', 96, DEMO),
    Kind('qcow2-near', 'qcow2', 'ceph', 48, ADMIN, 'public'),
    Kind('qcow2-disk', 'qcow2', 'disk', 128, ADMIN),
    Kind('vmdk-disk', 'vmdk', 'disk', 16, DEMO),
    # Two projects have the same file: their volumes share a base.
    Kind('qcow2-both', 'qcow2', 'disk', 24, ADMIN),
    Kind('qcow2-both', 'qcow2', 'disk', 24, DEMO),
)


class Image:
    """One image; its id changes when it is uploaded anew."""

    def __init__(
        self, kind: Kind, content: Content, file: pathlib.Path, cloud: Cloud
    ) -> None:
        self.kind = kind
        self.content = content
        self.image_id = ''
        self._file = file
        self._cloud = cloud

    def upload(self) -> None:
        """Make it in Glance."""
        with open(self._file, 'rb') as file:
            self.image_id = self._cloud.create_image(
                self.kind.disk,
                file,
                self.kind.disk_format,
                self.kind.store,
                self.kind.visibility,
            )

    def delete(self) -> None:
        """Delete it in Glance; it keeps its old id here."""
        self._cloud.delete_image(self.image_id)

    def deactivate(self) -> None:
        """Nobody but an administrator may download it then."""
        self._cloud.connection.image.deactivate_image(self.image_id)

    def reactivate(self) -> None:
        """As it was before."""
        self._cloud.connection.image.reactivate_image(self.image_id)

    def is_for(self, project: str) -> bool:
        """Whether the project's users may make volumes of it."""
        return self.kind.visibility == 'public' or self.kind.owner == project


def make(
    folder: pathlib.Path, seed: int, clouds: Mapping[str, Cloud]
) -> list[Image]:
    """Upload one of each kind."""
    folder.mkdir(exist_ok=True)
    disks: dict[str, Content] = {}
    found = []
    for kind in KINDS:
        if kind.disk not in disks:
            disks[kind.disk] = contents.make(folder, kind.disk, kind.mib, seed)
        file = contents.converted(folder / kind.disk, kind.disk_format)
        image = Image(kind, disks[kind.disk], file, clouds[kind.owner])
        image.upload()
        found.append(image)
    return found
