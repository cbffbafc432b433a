# SPDX-License-Identifier: Apache-2.0
import logging

import pytest

from cinder_cow import backends
from cinder_cow.cli import configuration, main
from tests.fakes.bases import MemoryBases

A = 'cow-base-qcow2-sha512-aa'
B = 'cow-base-raw-sha512-bb'
OURS = f'volume_driver = {configuration.DRIVER}'
CONF = f"""
[DEFAULT]
enabled_backends = lvm, ceph
[lvm]
volume_driver = cinder.volume.drivers.lvm.LVMVolumeDriver
[backend_defaults]
rbd_user = shared
rbd_ceph_conf = /etc/ceph/far.conf
cow_base_pool = bases
[ceph]
{OURS}
rbd_pool = volumes
rbd_user = cinder
rbd_store_chunk_size = 8
cow_base_max_bytes = 100
cow_base_max_idle_seconds = 9999999999
cow_base_once_idle_seconds = -1
"""


@pytest.fixture
def conf(tmp_path):
    """Writes a cinder.conf; answers its path."""

    def write(text=CONF):
        path = tmp_path / 'cinder.conf'
        path.write_text(text)
        return str(path)

    return write


@pytest.fixture
def store(backend, monkeypatch):
    store = MemoryBases(backend)
    store.add(B, b'b', last_used=2, image_id='i-b', stored_bytes=50)
    store.add(A, b'a', last_used=1, image_id='i-a', stored_bytes=2**20)
    backend.bases = lambda: store
    monkeypatch.setattr(backends, 'from_options', lambda options: backend)
    return store


@pytest.fixture
def logging_kept():
    """What the application does to logging is undone."""
    root = logging.getLogger()
    stevedore = logging.getLogger('stevedore')
    levels, handlers = (root.level, stevedore.level), list(root.handlers)
    yield
    root.setLevel(levels[0])
    stevedore.setLevel(levels[1])
    root.handlers[:] = handlers


@pytest.fixture
def run(conf, capsys, logging_kept):
    """Runs a command; answers its exit status, its output and its errors."""

    def call(*argv, text=CONF):
        status = main.main([*argv, '--config-file', conf(text)])
        out, err = capsys.readouterr()
        return status, out, err

    return call
