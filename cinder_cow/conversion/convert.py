# SPDX-License-Identifier: Apache-2.0

"""Turns an image of another format into raw, from one device to another."""

from collections.abc import Mapping
from dataclasses import dataclass
import json

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import qemu_img, qemu_info, vmdk
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.conversion.qemu_img import Command
from cinder_cow.conversion.qemu_img import ConversionLimits as ConversionLimits
from cinder_cow.conversion.unsafe import UnsafeImage
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.model import ImageInfo

#: Glance's disk_format, and QEMU's name of the block driver for it.
FORMATS: Mapping[str, str] = {
    'qcow2': 'qcow2',
    'vmdk': 'vmdk',
    'vhd': 'vpc',
    'vhdx': 'vhdx',
    'vdi': 'vdi',
    'qed': 'qed',
    'ploop': 'parallels',
}
#: Requests of 2 MiB in flight, the most that qemu-img takes.
_COROUTINES = 16


@dataclass(frozen=True, slots=True)
class ConversionTrust:
    """What is converted, and what qemu-img may open for it."""

    #: Cinder's option `vmdk_allowed_types`.
    vmdk_types: tuple[str, ...] = vmdk.ONE_FILE_TYPES
    confinement: Confinement = Confinement()


class Converter:
    """Runs qemu-img. It blocks its caller only, also under eventlet.

    The format is always the declared one and never probed, and no backing
    file is opened, whatever the header says. qemu-img is confined.
    """

    def __init__(
        self, limits: ConversionLimits, trust: ConversionTrust | None = None
    ) -> None:
        self._limits = limits
        self._trust = trust or ConversionTrust()

    @property
    def vmdk_types(self) -> tuple[str, ...]:
        """The types of vmdk that are converted."""
        return self._trust.vmdk_types

    def virtual_size(
        self,
        image: ImageInfo,
        source: BlockDevice,
        cancellation: Cancellation | None = None,
    ) -> int:
        """Bytes of the disk that the image holds, as its header says.

        QEMU's own reading of it, as of all it does with the image: a vhd by
        Virtual PC or QEMU is rounded up to whole cylinders.

        :raises ImageUnacceptable: when QEMU takes it for another format, or
            sees another file in it.
        :raises CowError: when QEMU cannot open it, as :func:`qemu_img.run`.
        :raises Cancelled: when it was cancelled.
        """
        name = _source(image, source)
        command = Command(image, ('info', '--output=json', name), source, name)
        output = qemu_img.run(
            command,
            self._limits.of_info(),
            self._trust.confinement,
            cancellation,
        )
        try:
            return qemu_info.virtual_size(
                output,
                FORMATS[image.disk_format],
                name,
                source,
                self._trust.vmdk_types,
            )
        except UnsafeImage as exc:
            raise errors.ImageUnacceptable(
                image.image_id,
                f'{exc}. Upload it anew, flattened by qemu-img convert',
            ) from exc

    def convert(
        self,
        image: ImageInfo,
        source: BlockDevice,
        target: BlockDevice,
        cancellation: Cancellation | None = None,
    ) -> None:
        """Write the image's disk to the target, which exists and is zero.

        What QEMU sees in the image is looked at before, each time. What is
        zero is not written. On an error the target holds a part.

        :raises CowError: as :meth:`virtual_size`.
        :raises Cancelled: when it was cancelled.
        """
        virtual_bytes = self.virtual_size(image, source, cancellation)
        source_name = _source(image, source)
        target_name = _filename({'driver': 'raw'}, target)
        arguments = (
            'convert',
            '-n',
            '--target-is-zero',
            '-W',
            *('-m', str(_COROUTINES)),
            # Past librbd's cache: what that still holds is written when
            # the device is closed, and QEMU drops the errors of that.
            *('-t', 'none'),
            *('-O', 'raw'),
            source_name,
            target_name,
        )
        command = Command(
            image, arguments, source, source_name, target, target_name
        )
        qemu_img.run(
            command,
            self._limits.of_disk(virtual_bytes),
            self._trust.confinement,
            cancellation,
        )


def _source(image: ImageInfo, source: BlockDevice) -> str:
    driver = FORMATS[image.disk_format]
    return _filename({'driver': driver, 'backing': None}, source)


def _filename(node: dict[str, str | None], device: BlockDevice) -> str:
    """QEMU's own JSON for a node on that device.

    Not --image-opts: those can say "no backing file" only in a deprecated
    way, and need commas escaped.
    """
    below = {f'file.{name}': value for name, value in device.options.items()}
    return f'json:{json.dumps({**node, **below})}'
