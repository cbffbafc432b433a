# SPDX-License-Identifier: Apache-2.0
"""What the policy lets qemu-img open. That it holds is in test_walls.py."""

import os
import shutil
import subprocess

import pytest

from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import confinement
from cinder_cow.conversion.confinement import CEPH_PORTS, Confinement

QEMU_IMG = shutil.which('qemu-img')


@pytest.fixture
def policy(tmp_path):
    """Of a device whose ceph.conf has that text."""

    def make(text='', **environment):
        conf = tmp_path / 'ceph.conf'
        conf.write_text(text)
        options = {'driver': 'rbd', 'user': 'cinder', 'conf': str(conf)}
        return confinement.policy(
            Confinement(),
            QEMU_IMG,
            [BlockDevice(options, environment)],
            9,
            2**32,
        )

    return make


def test_its_conf_and_the_usual_keyrings_can_be_read(policy, tmp_path):
    found = policy()
    assert str(tmp_path / 'ceph.conf') in found['read']
    assert '/etc/ceph/ceph.client.cinder.keyring' in found['read']
    assert '/etc/ceph' not in found['read']
    assert found['read_write'] == ['/dev/null']


@pytest.mark.parametrize(
    ('line', 'path'),
    [
        ('keyring = /a/b', '/a/b'),
        ('  keyring=/a/$cluster.$name', '/a/ceph.client.cinder'),
        ('keyring = "/a/${id}"', '/a/cinder'),
        ('keyfile = /a/key', '/a/key'),
        ('keyring = /a,/b', '/b'),
    ],
)
def test_the_keyring_of_its_conf_can_be_read(policy, line, path):
    assert path in policy(f'[client.cinder]\n{line}\n')['read']


@pytest.mark.parametrize('line', ['keyring = ', '# keyring = /a', 'key = x'])
def test_nothing_else_of_its_conf_can_be_read(policy, line):
    assert policy(line)['read'] == policy()['read']


def test_the_keyring_of_the_environment_can_be_read(policy):
    assert '/k/ring' in policy(CEPH_KEYRING='/k/ring')['read']


@pytest.mark.parametrize(
    ('text', 'more'),
    [
        ('', []),
        ('mon host = a,b', []),
        ('mon_host = [v2:10.0.0.1:40001/0,v1:10.0.0.1:40002/0]',
         [(40001, 40001), (40002, 40002)]),
        ('mon host = 10.0.0.1:7000, 10.0.0.2:7001',
         [(7000, 7000), (7001, 7001)]),
        ('mon host = 10.0.0.1:0 10.0.0.2:99999', []),
        ('ms_bind_port_max = 9000', [(6800, 9000)]),
        ('ms bind port min = 9000\nms bind port max = 9100', [(9000, 9100)]),
        ('ms_bind_port_min = 9000\nms_bind_port_max = 80', []),
    ],
)  # fmt: skip
def test_the_clusters_ports_can_be_reached(policy, text, more):
    assert policy(text)['ports'] == [*CEPH_PORTS, *more]


def test_only_the_program_and_its_loader_can_be_executed(policy):
    first, second = policy()['execute']
    assert first == os.path.realpath(QEMU_IMG)
    assert '/ld' in second
    assert subprocess.run([second, '--version'], check=False).returncode == 0


def test_without_a_conf_the_usual_ones_can_be_read():
    device = BlockDevice({'driver': 'rbd'}, {})
    found = confinement.policy(Confinement(), QEMU_IMG, [device], 9, 2**32)
    assert '/etc/ceph/ceph.conf' in found['read']
    assert '/etc/ceph/ceph.client.admin.keyring' in found['read']


def test_libraries_beside_the_program_can_be_read(tmp_path, monkeypatch):
    monkeypatch.setenv('LD_LIBRARY_PATH', '/one:two')
    program = tmp_path / 'bin' / 'qemu-img'
    program.parent.mkdir()
    program.write_bytes(b'#!/bin/sh\n')
    found = confinement.policy(Confinement(), str(program), [], 9, 2**32)
    assert found['execute'] == [str(program)]
    assert str(tmp_path / 'lib64') in found['read']
    assert '/one' in found['read']
    assert 'two' not in found['read']
