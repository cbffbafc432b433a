# SPDX-License-Identifier: Apache-2.0
"""Cinder's API as the tests speak it, where the client has no short form."""

import time

#: Of all that is asked for.
VERSION = '3.68'
SECONDS = 40
BUSY = frozenset(
    {
        'backing-up',
        'creating',
        'deleting',
        'downloading',
        'extending',
        'managing',
        'queued',
        'restoring',
        'restoring-backup',
        'retyping',
        'reverting',
        'unmanaging',
        'updating',
    }
)


def act(cloud, path, body):
    """The answer to a POST, parsed."""
    answer = cloud.connection.block_storage.post(
        path, json=body, microversion=VERSION
    )
    assert answer.ok, f'{path}: {answer.text}'
    return answer.json() if answer.content else None


def put(cloud, path, body):
    """Change what is there."""
    answer = cloud.connection.block_storage.put(
        path, json=body, microversion=VERSION
    )
    assert answer.ok, f'{path}: {answer.text}'


def ask(cloud, path):
    """A GET that does something."""
    answer = cloud.connection.block_storage.get(path, microversion=VERSION)
    assert answer.ok, f'{path}: {answer.text}'


def remove(cloud, path):
    """A DELETE that is done when it is answered."""
    answer = cloud.connection.block_storage.delete(path, microversion=VERSION)
    assert answer.ok, f'{path}: {answer.text}'


def get(cloud, path):
    """What is there now; None where there is nothing."""
    answer = cloud.connection.block_storage.get(path, microversion=VERSION)
    if answer.status_code == 404:
        return None
    assert answer.ok, f'{path}: {answer.text}'
    return answer.json()


def create(cloud, size_gib, volume_type, **source):
    """The id of a volume that is ready."""
    volume = {'size': size_gib, 'volume_type': volume_type, **source}
    made = act(cloud, '/volumes', {'volume': volume})['volume']['id']
    wait(cloud, f'/volumes/{made}')
    return made


def wait(cloud, path, wanted='available'):
    """Return when it is at rest, as what is wanted."""
    (found,) = _until(path, lambda: _at_rest(get(cloud, path))).values()
    assert found['status'] == wanted, found
    return found


def wait_for_migration(cloud, volume):
    """Return when the volume is where it is wanted."""

    def ended():
        found = get(cloud, f'/volumes/{volume}')['volume']
        status = found['os-vol-mig-status-attr:migstat']
        return status in ('success', 'error') and found

    found = _until(volume, ended)
    assert found['os-vol-mig-status-attr:migstat'] == 'success', found
    wait(cloud, f'/volumes/{volume}')


def wait_until_gone(cloud, path):
    """Return when there is none of it any more."""

    def gone():
        found = get(cloud, path.partition('?')[0])
        for each in (found or {}).values():
            assert not each['status'].startswith('error'), found
        return found is None

    _until(path, gone)


def delete(cloud, path):
    """Return when it is gone."""
    remove(cloud, path)
    wait_until_gone(cloud, path)


def host(cloud, backend):
    """The host of a backend, as migrations name it, once it takes volumes."""

    def found():
        for each in cloud.connection.block_storage.backend_pools():
            if each.name.partition('@')[2].partition('#')[0] == backend:
                return each.name
        return None

    return _until(backend, found)


def _at_rest(found):
    (each,) = found.values()
    return each['status'] not in BUSY and found


def _until(what, found):
    deadline = time.monotonic() + SECONDS
    while not (answer := found()):
        assert time.monotonic() < deadline, f'{what}: no end'
        time.sleep(0.05)
    return answer
