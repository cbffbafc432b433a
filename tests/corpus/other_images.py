# SPDX-License-Identifier: Apache-2.0
"""Images of other formats that refer to other files."""

import subprocess

#: Glance's format, QEMU's, and what makes it beside `secret` and `base`.
REFERRING = {
    'qcow2 with a backing file': (
        'qcow2', 'qcow2', ('-b', 'secret', '-F', 'raw'),
    ),
    'qcow2 of version 2 with a backing file': (
        'qcow2', 'qcow2', ('-b', 'secret', '-F', 'raw', '-o', 'compat=0.10'),
    ),
    'qcow2 with a data file': (
        'qcow2', 'qcow2', ('-o', 'data_file=data,data_file_raw=on', '1M'),
    ),
    'qed with a backing file': ('qed', 'qed', ('-b', 'secret', '-F', 'raw')),
    'vmdk of a flat file': (
        'vmdk', 'vmdk', ('-o', 'subformat=monolithicFlat', '1M'),
    ),
    'vmdk of several files': (
        'vmdk', 'vmdk', ('-o', 'subformat=twoGbMaxExtentSparse', '1M'),
    ),
    'vmdk of several flat files': (
        'vmdk', 'vmdk', ('-o', 'subformat=twoGbMaxExtentFlat', '1M'),
    ),
}  # fmt: skip


def made(name, folder, secret):
    """Glance's format, QEMU's, and the content."""
    disk_format, driver, options = REFERRING[name]
    assert secret == folder / 'secret'
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', driver, *_first(options)]
        + ['made', *_last(options)],
        cwd=folder,
        check=True,
        stdout=subprocess.DEVNULL,
    )
    return disk_format, driver, (folder / 'made').read_bytes()


def _first(options):
    return options[:-1] if options[-1] == '1M' else options


def _last(options):
    return options[-1:] if options[-1] == '1M' else ()
