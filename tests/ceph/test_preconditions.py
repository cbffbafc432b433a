# SPDX-License-Identifier: Apache-2.0
"""What `cinder-cow doctor` asks of a cluster beyond the self-test."""

import time

import pytest

from cinder_cow.backends.rbd.selftest import writing
from tests.ceph.lab import ref

GIB = 2**30
CONF = 'Can {} be read'
KEY = 'Is the key of client.{} for {} on this host'
LET_IN = 'Does the cluster of {} let client.{} in'
WRITTEN = 'May client.{} write the volumes to volumes'
FITS = 'Does the largest image fit into volumes'
CLOCK = 'Does the clock of this host agree with the cluster'
KNOWN = 'Is the key of client.{} known here'


def answers(backend, *refs, image_bytes=0):
    found = backend.preconditions(refs, image_bytes)
    return {each.question: each for each in found}


def reader_answers(lab, user, keyring='', own='cinder', **settings):
    backend = lab.backend(user=own, image_pools=('images',), **settings)
    return {
        each.question: each
        for each in backend.reader_checks(user, keyring, ())
    }


def test_cluster_where_all_is_well(lab):
    found = answers(lab.backend(base_pool='volumes'), ref(lab))

    assert [each for each in found.values() if not each.ok] == []
    assert len(found) == 9
    assert lab.names() == []
    assert lab.leftovers() == []


def test_what_a_killed_check_left_is_removed_by_the_next(lab):
    """An hour later: another may be at work."""
    now = int(time.time())
    others = [f'{writing.NAME}{now - 60}-b', f'{writing.NAME}x', 'volume-1']
    for name in (f'{writing.NAME}{now - 3700}-a', *others):
        lab.backend().open(name, 4096).close()

    answers(lab.backend(), ref(lab))

    assert sorted(lab.names()) == sorted(others)


def test_conf_file_that_is_missing(lab):
    found = answers(lab.backend(conf_path='/nowhere/ceph.conf'))

    (answer,) = found.values()
    assert answer.question == CONF.format('/nowhere/ceph.conf')
    assert 'rbd_ceph_conf' in answer.remedy


@pytest.fixture
def conf(lab, tmp_path):
    """A ceph.conf that names a keyring; answers both paths."""
    keyring = tmp_path / 'keyring'
    path = tmp_path / 'ceph.conf'
    text = lab.cluster.conf.read_text()
    own = f'keyring = {lab.cluster.folder}/ceph.$name.keyring'
    assert own in text
    path.write_text(text.replace(own, f'keyring = {keyring}'))
    return path, keyring


def key_answer(lab, conf):
    found = answers(lab.backend(conf_path=str(conf)))
    return found[KEY.format('cinder', conf)]


def test_keyring_that_is_missing(lab, conf):
    path, keyring = conf

    answer = key_answer(lab, path)
    assert answer.ok is False
    assert f'ceph auth get client.cinder -o {keyring}' in answer.remedy


def test_keyring_that_cannot_be_read(lab, conf):
    path, keyring = conf
    keyring.mkdir()

    answer = key_answer(lab, path)
    assert answer.ok is False
    assert 'cannot be read by this user: Is a directory' in answer.answer
    assert f'chown cinder {keyring}' in answer.remedy


def test_keyring_of_another_user(lab, conf):
    path, keyring = conf
    keyring.write_text('[client.other]\n')

    answer = key_answer(lab, path)
    assert answer.ok is False
    assert 'no section [client.cinder]' in answer.answer


def test_key_in_the_conf_file_needs_no_keyring(lab, conf):
    path, _keyring = conf
    key = lab.cluster.ceph('auth', 'get-key', 'client.cinder')['key']
    text = path.read_text().replace('[global]', f'[global]\nkey = {key}')
    path.write_text(text)

    found = answers(lab.backend(conf_path=str(path)))

    assert found[KEY.format('cinder', path)].ok
    assert found[WRITTEN.format('cinder')].ok
    assert key not in ''.join(map(str, found.values()))


def test_key_of_another_user_is_not_let_in(lab, conf):
    path, keyring = conf
    key = lab.cluster.ceph('auth', 'get-key', 'client.blind')['key']
    keyring.write_text(f'[client.cinder]\nkey = {key}\n')

    found = answers(lab.backend(conf_path=str(path)))

    answer = found[LET_IN.format(path, 'cinder')]
    assert answer.ok is False
    assert 'ceph auth get client.cinder' in answer.remedy
    assert key not in ''.join(map(str, found.values()))


def test_monitors_that_do_not_answer(lab, conf):
    path, keyring = conf
    own = lab.cluster.folder / 'ceph.client.cinder.keyring'
    keyring.write_text(own.read_text())
    path.write_text(
        f'[global]\nmon_host = v2:127.0.0.1:1\nkeyring = {keyring}\n'
    )

    found = answers(
        lab.backend(conf_path=str(path), timeout_seconds=1, connect_attempts=1)
    )

    answer = found[LET_IN.format(path, 'cinder')]
    assert answer.ok is False
    assert 'mon_host' in answer.remedy


def test_volumes_that_may_not_be_written(lab):
    found = answers(lab.backend(pool='gold', image_pools=('images',)))

    answer = found['May client.cinder write the volumes to gold']
    assert answer.ok is False
    assert "Add 'profile rbd pool=gold' to the osd and mgr" in answer.remedy
    assert CLOCK not in found
    assert lab.leftovers('gold') == []


def test_pool_that_is_not_there(lab):
    found = answers(lab.backend(pool='volums', image_pools=('images',)))

    answer = found['May client.cinder write the volumes to volums']
    assert answer.ok is False
    assert 'there is no such pool' in answer.answer
    assert 'Correct rbd_pool' in answer.remedy


def test_pool_that_is_full(lab):
    with lab.full('volumes'):
        found = answers(
            lab.backend(timeout_seconds=5), ref(lab), image_bytes=GIB
        )

    answer = found[WRITTEN.format('cinder')]
    assert answer.ok is False
    assert 'the pool is full' in answer.answer
    assert 'quota' in answer.remedy
    assert found[FITS].ok is False
    assert not found[FITS].minor
    assert lab.names() == []


def test_image_that_does_not_fit(lab):
    def fits(image_bytes):
        return answers(lab.backend(), image_bytes=image_bytes)[FITS]

    assert fits(GIB).ok
    assert fits(0).ok
    assert fits(2**50).minor
    assert 'set-quota volumes max_bytes 0' in fits(2**50).remedy


@pytest.mark.parametrize(
    ('created', 'ok', 'words'),
    [
        (1000, True, 'yes'),
        (995, True, 'yes'),
        (1006, True, 'yes'),
        (1060, False, '59 s behind it'),
        (940, False, '60 s ahead of it'),
    ],
)
def test_clocks(created, ok, words):
    """Of something that was made between 1000.9 and 1001.1 by our clock."""
    found = writing.clocks(1000.9, created, 1001.1)

    assert found.ok is ok
    assert found.minor is not ok
    assert words in found.answer


def test_reader_whose_keyring_is_named(lab):
    keyring = lab.cluster.folder / 'ceph.client.blind.keyring'

    found = reader_answers(lab, 'blind', str(keyring))

    assert found[KNOWN.format('blind')].ok
    answer = found['May client.blind read the image pool images']
    assert answer.ok is False
    assert "'profile rbd-read-only pool=images'" in answer.remedy
    assert found['May client.blind read the pool of the bases volumes'].ok


def test_reader_whose_keyring_is_here(lab):
    found = reader_answers(lab, 'cinder')

    assert [each for each in found.values() if not each.ok] == []


@pytest.fixture
def nova(lab, data_pool):
    """A user whose keyring is not here, and who may not read data."""
    lab.cluster.create_user(
        'nova',
        mon='profile rbd',
        osd='profile rbd pool=volumes, profile rbd-read-only pool=images',
    )
    keyring = lab.cluster.folder / 'ceph.client.nova.keyring'
    keyring.unlink()
    yield
    lab.cluster.ceph('auth', 'rm', 'client.nova')


def test_reader_whose_key_the_cluster_tells_to_an_admin(lab, nova):
    found = reader_answers(lab, 'nova', own='admin')

    assert found[KNOWN.format('nova')].ok
    assert found['May client.nova read the image pool images'].ok
    answer = found[
        'May client.nova read the data of the images in images from the pool'
        ' images-data'
    ]
    assert answer.ok is False


def test_reader_whose_key_is_not_told_is_a_warning(lab, nova):
    (answer,) = reader_answers(lab, 'nova').values()

    assert answer.minor
    assert '--nova-keyring' in answer.remedy


def test_reader_that_the_cluster_does_not_have(lab):
    (answer,) = reader_answers(lab, 'nobody', own='admin').values()

    assert answer.ok is False
    assert not answer.minor
    assert '--nova-user' in answer.remedy


def test_reader_whose_keyring_is_not_there(lab):
    (answer,) = reader_answers(lab, 'blind', '/nowhere').values()

    assert answer.ok is False
    assert '--nova-keyring' in answer.remedy
