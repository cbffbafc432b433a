# SPDX-License-Identifier: Apache-2.0
import concurrent.futures
import os

import pytest

from cinder_cow import errors
from cinder_cow.backends.rbd import connection
from cinder_cow.backends.rbd.connection import connected

CONTENT = b'D0D-' * 1024


@pytest.fixture(autouse=True)
def unconnected():
    """Each test starts without a kept connection, and leaves none."""
    connection.shut_down()
    yield
    connection.shut_down()


def client_id(settings):
    with connected(settings) as held:
        return held.cluster.get_instance_id()


def test_connection_is_kept(lab):
    assert client_id(lab.settings()) == client_id(lab.settings())


def test_all_threads_share_one(lab):
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        ids = list(pool.map(client_id, [lab.settings()] * 64))

    assert len(set(ids)) == 1


def test_users_have_their_own(lab):
    blind = lab.settings(user='blind')

    assert client_id(lab.settings()) != client_id(blind)


@pytest.mark.parametrize('known', [True, False])
def test_lost_connection_is_opened_again(lab, known):
    image = lab.image(CONTENT)
    backend = lab.backend()
    if known:
        assert backend.cloneable(image)
    with connected(backend.settings) as held:
        lost = held.cluster.get_instance_id()
        lab.blocklist(held.cluster)

    # As when a volume is made: this finds out, and opens another.
    assert not backend.exists('volume-1')
    backend.clone(image, 'volume-1')

    assert client_id(backend.settings) != lost
    assert lab.stored() == {'volume-1': CONTENT}


@pytest.fixture
def rotated(lab, monkeypatch, tmp_path):
    """A user whose key can be changed; the kept connections are old."""
    caps = {
        'mon': 'profile rbd',
        'osd': 'profile rbd pool=volumes, profile rbd-read-only pool=images',
        'mgr': 'profile rbd pool=volumes',
    }
    lab.cluster.create_user('rotated', **caps)
    monkeypatch.setattr(connection, 'KEY_SECONDS', 0)
    keyring = lab.cluster.folder / 'ceph.client.rotated.keyring'

    def rotate():
        lab.cluster.ceph('auth', 'rm', 'client.rotated')
        lab.cluster.create_user('rotated', **caps)

    before = keyring.read_text()
    yield lab.backend(user='rotated'), rotate
    assert keyring.read_text() != before


def test_changed_key_needs_no_restart(lab, rotated):
    backend, rotate = rotated
    image = lab.image(CONTENT)
    backend.clone(image, 'volume-1')
    rotate()

    for number in range(2, 5):
        backend.clone(image, f'volume-{number}')
        backend.open(f'filled-{number}', 4096).close()
        backend.remove(f'filled-{number}')

    assert len(lab.names()) == 4


def test_broken_connection_is_shut_down_by_its_last_user(lab):
    settings = lab.settings()
    with connected(settings) as held:
        with pytest.raises(errors.ConnectionLost), connected(settings):
            raise errors.ConnectionLost('test', OSError())
        # Ours still works, and newcomers get another.
        held.cluster.get_cluster_stats()
        assert client_id(settings) != held.cluster.get_instance_id()
    assert held.cluster.state == 'shutdown'


def test_forked_child_opens_its_own(lab):
    here = client_id(lab.settings())
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, str(client_id(lab.settings())).encode())
        os._exit(0)
    os.waitpid(child, 0)

    there = int(os.read(reading, 64))
    assert there != here
    assert client_id(lab.settings()) == here


def test_unreachable_cluster_is_an_error_and_no_refusal(lab, tmp_path):
    conf = tmp_path / 'ceph.conf'
    conf.write_text(
        lab.cluster.conf.read_text().replace(str(lab.cluster.port()), '1')
    )
    backend = lab.backend(
        conf_path=str(conf),
        timeout_seconds=1,
        connect_attempts=2,
        connect_interval_seconds=0,
    )

    with pytest.raises(errors.StorageUnreachable) as caught:
        backend.cloneable(lab.image(CONTENT))

    assert str(conf) in str(caught.value)
    assert 'client.cinder' in str(caught.value)


@pytest.mark.parametrize(
    'changed', [{'conf_path': '/nowhere.conf'}, {'user': 'nobody'}]
)
def test_wrong_conf_or_user_fails_at_once(lab, changed):
    backend = lab.backend(**changed, connect_interval_seconds=3600)

    with pytest.raises(errors.StorageUnreachable) as caught:
        backend.cloneable(lab.image(CONTENT))

    assert next(iter(changed.values())) in str(caught.value)
