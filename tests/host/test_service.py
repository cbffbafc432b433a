# SPDX-License-Identifier: Apache-2.0
"""A real cinder-volume comes as far as the cluster, which is not there."""

import importlib.util
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import time

import pytest

SECONDS = 120
CINDER_CONF = """
[DEFAULT]
state_path = {folder}
transport_url = fake:/
log_file = {folder}/volume.log
enabled_backends = cow
[coordination]
backend_url = file://{folder}/coordination
[database]
connection = sqlite:///{folder}/cinder.sqlite
[oslo_concurrency]
lock_path = {folder}/locks
[cow]
volume_driver = cinder_cow.driver.CowRBDDriver
rbd_pool = volumes
rbd_user = cinder
rbd_ceph_conf = {folder}/ceph.conf
rados_connect_timeout = 2
rados_connection_retries = 1
"""
CEPH_CONF = """
[global]
mon_host = 127.0.0.1:1
keyring = {folder}/keyring
"""
KEYRING = """
[client.cinder]
key = AQAAAAAAAAAAABAAAAAAAAAAAAAAAAAAAAAAAA==
"""


@pytest.fixture
def service(cinder, tmp_path):
    """Its log, once the driver has been started."""
    shutil.copy(cinder / 'cinder.sqlite', tmp_path)
    for name, text in (
        ('cinder.conf', CINDER_CONF),
        ('ceph.conf', CEPH_CONF),
        ('keyring', KEYRING),
    ):
        (tmp_path / name).write_text(text.format(folder=tmp_path))
    program = pathlib.Path(sys.executable).with_name('cinder-volume')
    with open(tmp_path / 'output', 'wb') as output:
        process = subprocess.Popen(
            [program, '--config-file', tmp_path / 'cinder.conf'],
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    yield tmp_path / 'volume.log'
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def read_until(path, text):
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        log = path.read_text() if path.exists() else ''
        if text in log:
            return log
        time.sleep(0.2)
    output = path.with_name('output').read_text()
    raise AssertionError(f'no {text!r} in:\n{log}\n{output}')


def test_driver_is_started_and_fails_at_the_cluster_alone(service):
    log = read_until(service, 'Failed to initialize driver.')

    assert 'Starting volume driver CowRBDDriver' in log
    # What is not there is the cluster, or else the bindings of this Python.
    if importlib.util.find_spec('rados'):
        assert 'rror connecting to ceph cluster' in log
    else:
        assert 'python3-rados' in log
