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
    before = backend.connections_lost
    with connected(backend.settings) as held:
        lost = held.cluster.get_instance_id()
        lab.blocklist(held.cluster)

    # As when a volume is made: this finds out, and opens another.
    assert not backend.exists('volume-1')
    backend.clone(image, 'volume-1')

    assert client_id(backend.settings) != lost
    assert backend.connections_lost == before + 1
    assert lab.stored() == {'volume-1': CONTENT}


class Rotation:
    """A user whose key can be changed."""

    CAPS = {
        'mon': 'profile rbd',
        'osd': 'profile rbd pool=volumes, profile rbd-read-only pool=images',
        'mgr': 'profile rbd pool=volumes',
    }

    def __init__(self, lab):
        self._lab = lab
        self._cluster = lab.cluster
        self._keyring = lab.cluster.folder / 'ceph.client.rotated.keyring'
        self._cluster.create_user('rotated', **self.CAPS)
        # A client that gets no answer from the monitors would wait for ever.
        self.backend = lab.backend(user='rotated', timeout_seconds=10)

    def rotate(self, with_keyring=True):
        before = self._keyring.read_text()
        self._cluster.ceph('auth', 'rm', 'client.rotated')
        self._cluster.create_user('rotated', **self.CAPS)
        new = self._keyring.read_text()
        assert new != before
        if not with_keyring:
            self._keyring.write_text(before)
        self._lab.restart_monitor()
        return new

    def distribute(self, new):
        self._keyring.write_text(new)

    def asks_the_monitors(self):
        found = self.backend.selftest(())
        return found[-1].question == 'Are clones made in format 2'


@pytest.fixture
def rotation(lab):
    return Rotation(lab)


def test_changed_key_needs_no_restart(lab, rotation):
    image = lab.image(CONTENT)
    rotation.backend.clone(image, 'volume-1')
    rotation.rotate()

    assert rotation.asks_the_monitors()
    rotation.backend.clone(image, 'volume-2')
    rotation.backend.remove('volume-1')

    assert lab.stored() == {'volume-2': CONTENT}


def test_old_key_goes_on_until_the_new_one_is_here(lab, rotation, caplog):
    """The cluster has the old key while the keyring is new already."""
    image = lab.image(CONTENT)
    rotation.backend.clone(image, 'volume-1')
    keyring = lab.cluster.folder / 'ceph.client.rotated.keyring'
    text = keyring.read_text()
    keyring.write_text(text.replace('key = A', 'key = B'))

    rotation.backend.clone(image, 'volume-2')

    assert 'a new connection failed; the old' in caplog.text
    keyring.write_text(text)
    rotation.backend.clone(image, 'volume-3')
    assert len(lab.stored()) == 3


def test_unanswered_for_want_of_the_new_key_it_is_not_kept(lab, rotation):
    image = lab.image(CONTENT)
    rotation.backend.clone(image, 'volume-1')
    new = rotation.rotate(with_keyring=False)
    grow_old(rotation.backend.settings)
    with pytest.raises(errors.StorageUnreachable):
        rotation.asks_the_monitors()

    rotation.distribute(new)

    assert rotation.asks_the_monitors()
    rotation.backend.clone(image, 'volume-2')


def grow_old(settings):
    """The kept connection was opened a long time ago."""
    with connected(settings) as held:
        held._opened -= 2 * connection.KEY_SECONDS


def test_denied_it_is_tried_once_more_on_another(lab):
    """The caps are read when a client connects: new ones need another."""
    backend = lab.backend(user='widened')
    caps = dict(Rotation.CAPS)
    lab.cluster.create_user('widened', **{**caps, 'osd': 'profile rbd'})
    image = lab.image(CONTENT)
    narrow = ('mon', 'profile rbd', 'osd', 'profile rbd pool=volumes')
    lab.cluster.ceph('auth', 'caps', 'client.widened', *narrow)
    refused = backend.cloneable(image)
    words = [word for cap in caps.items() for word in cap]
    lab.cluster.ceph('auth', 'caps', 'client.widened', *words)

    assert not refused
    assert not backend.cloneable(image)
    grow_old(backend.settings)
    assert backend.cloneable(image)
    backend.clone(image, 'volume-1')
    assert lab.stored() == {'volume-1': CONTENT}


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
        try:  # it must never go on with the other tests
            os.write(writing, str(client_id(lab.settings())).encode())
        finally:
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
