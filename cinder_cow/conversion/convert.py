# SPDX-License-Identifier: Apache-2.0

"""Turns an image of another format into raw, from one device to another."""

from collections.abc import Mapping
import json

from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import qemu_img
from cinder_cow.conversion.qemu_img import ConversionLimits as ConversionLimits
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


class Converter:
    """Runs qemu-img. It blocks its caller only, also under eventlet.

    The format is always the declared one and never probed, and no backing
    file is opened, whatever the header says.
    """

    def __init__(self, limits: ConversionLimits) -> None:
        self._limits = limits

    def virtual_size(self, image: ImageInfo, source: BlockDevice) -> int:
        """Bytes of the disk that the image holds, as its header says.

        QEMU's own reading of it, as of all it does with the image: a vhd by
        Virtual PC or QEMU is rounded up to whole cylinders.

        :raises ImageUnacceptable: when QEMU cannot open it, or takes too
            much for it.
        :raises StorageError: when the storage fails.
        :raises ToolMissing: when there is no qemu-img.
        """
        told = qemu_img.run(
            image,
            self._limits,
            ('info', '--output=json', _source(image, source)),
            source.environment,
        )
        return int(json.loads(told)['virtual-size'])

    def convert(
        self, image: ImageInfo, source: BlockDevice, target: BlockDevice
    ) -> None:
        """Write the image's disk to the target, which exists and is zero.

        What is zero is not written. On an error the target holds a part.

        :raises ImageUnacceptable: when the image cannot be read to its end
            by QEMU, or takes too much for it.
        :raises StorageError: when the storage fails.
        :raises ToolMissing: when there is no qemu-img.
        """
        qemu_img.run(
            image,
            self._limits,
            (
                'convert',
                '-n',
                '--target-is-zero',
                '-W',
                *('-m', str(_COROUTINES)),
                # Past librbd's cache: what that still holds is written when
                # the device is closed, and QEMU drops the errors of that.
                *('-t', 'none'),
                *('-O', 'raw'),
                _source(image, source),
                _filename({'driver': 'raw'}, target),
            ),
            {**source.environment, **target.environment},
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
