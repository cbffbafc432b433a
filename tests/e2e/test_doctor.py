# SPDX-License-Identifier: Apache-2.0
"""Each precondition is broken alone: the line names it, its remedy mends it.

The patient is a cinder.conf of its own, with users of its own, on the real
cluster, Keystone and Glance.
"""

import contextlib
import os
import shutil
import signal

import pytest
import rados
import rbd

from sandbox.ceph import Cluster
from tests.e2e.patient import CAPS, USER, Patient

MIB = 2**20
LOGIN = 'Does Keystone let in the user of [glance]'
ADMIN = 'Has the user of [glance] the role admin'
LOCATIONS = 'Does Glance show us where images lie'
CONVERTED = 'Can images be converted here'
WRITTEN = f'May client.{USER} write the volumes to volumes'
READ = f'May client.{USER} read the image pool images'
FITS = 'Does the largest image fit into volumes'
CLOCK = 'Does the clock of this host agree with the cluster'
NOVA_KEY = 'Is the key of client.nova known here'

#: Python reads it at its start.
FAST_CLOCK = 'import time\nreal = time.time\ntime.time = lambda: real() + 60\n'


@pytest.fixture(scope='module')
def image(cloud):
    """The only image, so that its data is looked at."""
    image_id = cloud.create_image('doctor', os.urandom(MIB))
    yield image_id
    cloud.delete_image(image_id)


@pytest.fixture(scope='module')
def only_patient(stack, cloud, image, tmp_path_factory):
    patient = Patient(stack, cloud, tmp_path_factory.mktemp('doctor'))
    yield patient
    patient.remove()


@pytest.fixture
def patient(only_patient):
    yield only_patient
    only_patient.heal()


@pytest.fixture
def admin(stack):
    with rados.Rados(
        rados_id='admin', conffile=str(stack.clusters[0].conf)
    ) as cluster:
        yield cluster


@pytest.fixture
def caps(patient):
    """To be changed by the test."""
    yield CAPS
    patient.set_caps(**CAPS)


def result(rows, question):
    return rows[question]['Result']


def test_healthy_set_up_has_no_bad_line(patient):
    rows = patient.rows()

    assert {row['Result'] for row in rows.values()} == {'pass'}, rows
    assert len(rows) > 20


@pytest.mark.parametrize(
    ('question', 'pool', 'lost'),
    [
        (READ, 'images', {'osd': 'profile rbd pool=volumes'}),
        (WRITTEN, 'volumes', {'osd': 'profile rbd-read-only pool=images'}),
    ],
)
def test_caps_that_are_missing(patient, caps, question, pool, lost):
    patient.set_caps(**{**caps, **lost})

    row = patient.rows()[question]
    assert row['Result'] == 'fail'
    assert 'permission denied' in row['Answer']
    assert f'pool={pool}' in row['Remedy']

    patient.apply_caps(row['Remedy'])
    assert result(patient.rows(), question) == 'pass'


def test_data_in_a_pool_that_cannot_be_read(patient, caps, image, admin):
    """A clone of it succeeds, and then no byte of it can be read."""
    patient.cluster.create_pool('elsewhere')
    admin.wait_for_latest_osdmap()
    with admin.open_ioctx('images') as ioctx:
        move_data(ioctx, image, 'elsewhere')
    question = (
        f'May client.{USER} read the data of the images in images from the'
        f' pool elsewhere'
    )

    row = patient.rows()[question]
    assert row['Result'] == 'fail'
    assert 'every read of one fails' in row['Answer']

    patient.apply_caps(row['Remedy'])
    assert result(patient.rows(), question) == 'pass'
    with admin.open_ioctx('images') as ioctx:
        move_data(ioctx, image, None)


def move_data(ioctx, name, data_pool):
    """Make Glance's image anew, with its data in that pool."""
    with rbd.Image(ioctx, name) as old:
        content = old.read(0, old.size())
        old.unprotect_snap('snap')
        old.remove_snap('snap')
    rbd.RBD().remove(ioctx, name)
    rbd.RBD().create(
        ioctx, name, len(content), old_format=False, data_pool=data_pool
    )
    with rbd.Image(ioctx, name) as new:
        new.write(content, 0)
        new.create_snap('snap')
        new.protect_snap('snap')


def test_pool_of_the_bases_that_may_not_be_written(patient, caps):
    question = f'May client.{USER} write the bases to volumes-upstream'
    patient.set('cow', cow_base_pool='volumes-upstream')
    row = patient.rows()[question]
    assert row['Result'] == 'fail'

    patient.apply_caps(row['Remedy'])
    assert result(patient.rows(), question) == 'pass'


def test_pool_that_is_not_there(patient):
    patient.set('cow', rbd_pool='volums')
    row = patient.rows()[f'May client.{USER} write the volumes to volums']
    assert row['Result'] == 'fail'
    assert 'Correct rbd_pool' in row['Remedy']

    patient.set('cow', rbd_pool='volumes')
    assert result(patient.rows(), WRITTEN) == 'pass'


def test_keyring_that_is_missing(patient):
    conf = patient.cluster.conf
    question = f'Is the key of client.{USER} for {conf} on this host'
    patient.keyring.unlink()
    rows = patient.rows()
    assert result(rows, question) == 'fail'
    assert WRITTEN not in rows  # nothing more can be asked

    patient.apply_command(rows[question]['Remedy'])
    assert result(patient.rows(), question) == 'pass'


def test_key_that_the_cluster_does_not_know(patient):
    conf = patient.cluster.conf
    question = f'Does the cluster of {conf} let client.{USER} in'
    # That of another user: both have the same length and form.
    other = patient.cluster.ceph('auth', 'get-key', 'client.glance')['key']
    ours = patient.cluster.ceph('auth', 'get-key', f'client.{USER}')['key']
    patient.keyring.write_text(f'[client.{USER}]\n\tkey = {other}\n')
    row = patient.rows()[question]
    assert row['Result'] == 'fail'
    assert f'what ceph auth get client.{USER} shows' in row['Remedy']

    patient.keyring.write_text(f'[client.{USER}]\n\tkey = {ours}\n')
    assert result(patient.rows(), question) == 'pass'


def test_cinder_conf_without_a_glance_section(patient):
    held = patient.take_section('glance')
    row = patient.rows()[LOGIN]
    assert row['Result'] == 'fail'
    assert 'has no [glance] section' in row['Answer']
    assert 'Add the section' in row['Remedy']

    patient.add_section('glance', held)
    assert result(patient.rows(), LOGIN) == 'pass'


def test_password_that_keystone_refuses(patient):
    password = patient.take_section('glance')
    patient.add_section('glance', {**password, 'password': 'wrong'})
    row = patient.rows()[LOGIN]
    assert row['Result'] == 'fail'
    assert '401' in row['Answer']
    assert 'password' in row['Remedy']

    patient.set('glance', password=password['password'])
    assert result(patient.rows(), LOGIN) == 'pass'


@pytest.mark.parametrize(
    ('lost', 'question', 'grade', 'words'),
    [
        (['admin'], ADMIN, 'fail', '404'),
        (['admin', 'service'], LOCATIONS, 'fail', 'role service (403)'),
        (['service'], LOCATIONS, 'warn', 'a newer Glance'),
    ],
)
def test_role_that_the_user_of_glance_lacks(
    patient, lost, question, grade, words
):
    for role in lost:
        patient.revoke(role)
    row = patient.rows()[question]
    assert row['Result'] == grade
    assert words in row['Answer']

    patient.apply_command(row['Remedy'])
    assert result(patient.rows(), question) == 'pass'


def test_glance_that_does_not_answer(patient, stack):
    patient.set('DEFAULT', glance_api_servers='http://127.0.0.1:1')
    row = patient.rows()[LOCATIONS]
    assert row['Result'] == 'fail'
    assert 'glance_api_servers' in row['Remedy']

    url = f'http://127.0.0.1:{stack.port("glance")}'
    patient.set('DEFAULT', glance_api_servers=url)
    assert result(patient.rows(), LOCATIONS) == 'pass'


@pytest.mark.parametrize(
    ('section', 'option', 'value', 'question'),
    [
        ('DEFAULT', 'image_conversion_disable', 'True', None),
        ('cow', 'image_volume_cache_enabled', 'True', None),
        ('DEFAULT', 'verify_glance_signatures', 'enabled', 'disabled'),
    ],
)
def test_option_that_stands_in_the_way(
    patient, section, option, value, question
):
    before = question
    patient.set(section, **{option: value})
    (row,) = (
        row
        for row in patient.rows().values()
        if option in row['Remedy'] and row['Result'] == 'warn'
    )

    patient.set(section, **{option: before})
    assert result(patient.rows(), row['Check']) == 'pass'


@pytest.mark.parametrize('installed', [True, False])
def test_qemu_img_that_cannot_open_rbd(patient, tmp_path, installed):
    if installed:
        # There it does not find its modules, of which one is for RBD.
        shutil.copy(shutil.which('qemu-img'), tmp_path)
    row = patient.rows(PATH=str(tmp_path))[CONVERTED]
    assert row['Result'] == 'fail'
    package = 'qemu-block-extra' if installed else 'qemu-utils'
    assert f'Install {package}' in row['Remedy']

    assert result(patient.rows(), CONVERTED) == 'pass'


def test_cluster_that_makes_clones_of_format_1(patient, tmp_path):
    question = 'Are clones made in format 2'
    with Cluster(tmp_path / 'old', clone_format=1) as old:
        for pool in ('volumes', 'images'):
            old.create_pool(pool)
        patient.set('cow', rbd_ceph_conf=old.conf, rbd_user='admin')
        row = patient.rows()[question]
        assert row['Result'] == 'warn'

        patient.apply_command(row['Remedy'], cluster=old)
        assert result(patient.rows(), question) == 'pass'


def test_remote_cluster_that_does_not_answer(patient, stack):
    far = stack.clusters[1]
    question = f'Does the cluster of {far.conf} let client.cinder in'
    with stopped(far.pid('mon')):
        row = patient.rows()[question]
    assert row['Result'] == 'fail'
    assert f'mon_host in {far.conf}' in row['Remedy']

    assert result(patient.rows(), question) == 'pass'


@contextlib.contextmanager
def stopped(pid):
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_pool_with_less_room_than_the_largest_image(patient):
    quota = ('osd', 'pool', 'set-quota', 'volumes', 'max_bytes')
    patient.cluster.ceph(*quota, str(MIB // 2))
    row = patient.rows()[FITS]
    assert row['Result'] == 'warn'

    patient.apply_command(row['Remedy'])
    assert result(patient.rows(), FITS) == 'pass'


def test_clock_that_is_wrong(patient, tmp_path):
    (tmp_path / 'sitecustomize.py').write_text(FAST_CLOCK)
    paths = f'{tmp_path}:{os.environ.get("PYTHONPATH", "")}'
    row = patient.rows(PYTHONPATH=paths)[CLOCK]
    assert row['Result'] == 'warn'
    assert '60 s ahead' in row['Answer']

    assert result(patient.rows(), CLOCK) == 'pass'


def test_user_of_nova_that_may_not_read_the_images(patient):
    question = 'May client.nova read the image pool images'
    volumes = 'profile rbd pool=volumes'
    patient.cluster.create_user('nova', mon='profile rbd', osd=volumes)
    keyring = patient.cluster.folder / 'ceph.client.nova.keyring'
    keyring.unlink()
    try:
        # Its key is neither here, nor told to our user.
        row = patient.rows('--nova-user', 'nova')[NOVA_KEY]
        assert row['Result'] == 'warn'
        remedy = row['Remedy'].replace('PATH', str(patient.folder / 'nova'))
        assert '--nova-keyring' in remedy
        patient.apply_command(remedy)
        nova = ('--nova-user', 'nova', '--nova-keyring')
        rows = patient.rows(*nova, str(patient.folder / 'nova'))
        assert result(rows, NOVA_KEY) == 'pass'
        assert result(rows, question) == 'fail'

        patient.apply_caps(rows[question]['Remedy'])
        rows = patient.rows(*nova, str(patient.folder / 'nova'))
        assert result(rows, question) == 'pass'
    finally:
        patient.cluster.ceph('auth', 'rm', 'client.nova')


def test_backend_that_cinder_conf_does_not_have(patient):
    question = "Is the backend's section in cinder.conf"
    row = patient.rows('--backend', 'cwo')[question]
    assert row['Result'] == 'fail'
    assert 'cow' in row['Answer']

    assert result(patient.rows('--backend', 'cow'), question) == 'pass'
