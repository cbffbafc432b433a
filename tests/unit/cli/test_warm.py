# SPDX-License-Identifier: Apache-2.0
"""The command, with Glance on a local port and bases in memory."""

import contextlib
import io
import json
import os
import signal
import threading

from oslo_config import cfg
import pytest

from cinder_cow import copying, errors, execute, wiring
from cinder_cow.base_images import ensure
from cinder_cow.base_images.warm_records import (
    WarmRecord,
    WarmRecords,
    WarmStage,
)
from cinder_cow.cli import warm_progress
from cinder_cow.transfer import signatures
from tests.fakes.image_api import ImageApi
from tests.unit.base_images.test_ensure import BaseBuilder
from tests.unit.cli.conftest import CONF

FIRST, SECOND = (f'{digit * 8}-0000-0000-0000-000000000000' for digit in '12')


def record(name, digit, **more):
    return {
        'name': name,
        'status': 'active',
        'disk_format': 'qcow2',
        'container_format': 'bare',
        'size': 100,
        'os_hash_algo': 'sha512',
        'os_hash_value': digit * 128,
        **more,
    }


@pytest.fixture
def api():
    with contextlib.closing(ImageApi()) as api:
        api.images = {
            FIRST: record('debian', '1'),
            SECOND: record('ubuntu', '2'),
        }
        yield api


class Builder(BaseBuilder):
    """``acts`` maps an image to what its build does with its request."""

    def __init__(self, store):
        super().__init__(store)
        self.acts = {}
        self.requests = {}

    def build(self, name, image, request, volume_bytes, lease):
        self.requests[image.image_id] = request
        self.acts.get(image.image_id, lambda _request: None)(request)
        return super().build(name, image, request, volume_bytes, lease)


@pytest.fixture
def builder(store, backend, monkeypatch):
    store.things.clear()
    builder = Builder(store)
    base_images = ensure.BaseImages(ensure.BaseSettings(), store, builder)
    monkeypatch.setattr(
        wiring, 'parts', lambda _: execute.Parts(backend, None, base_images)
    )
    return builder


@pytest.fixture
def warm(api, builder, run, monkeypatch):
    monkeypatch.setattr(cfg, 'CONF', cfg.ConfigOpts())
    login = '\n'.join(f'{key} = {value}' for key, value in api.login().items())
    text = CONF.replace(
        '[DEFAULT]', f'[DEFAULT]\nglance_api_servers = {api.url}'
    )

    def call(*words):
        return run(
            'warm',
            *words,
            text=f'{text}\n[glance]\n{login}\n'
            f'[key_manager]\nbackend = barbican\n',
        )

    return call


def test_bases_of_named_images_are_built(warm, store):
    status, out, err = warm('debian', SECOND)

    assert (status, err) == (0, '')
    assert sorted(out.splitlines()) == [
        f'{FIRST} built: qcow2-11111111, 100 B in 1.0 s',
        f'{SECOND} built: qcow2-22222222, 100 B in 1.0 s',
    ]
    assert len(store.things) == 2


def test_image_that_is_named_twice_is_warmed_once(warm):
    _status, out, _err = warm('debian', FIRST, '11111111')

    assert len(out.splitlines()) == 1


def test_all_public_images_are_those_that_glance_lists(warm, api):
    status, out, _err = warm('--all-public')

    assert status == 0
    assert len(out.splitlines()) == 2
    (asked,) = (path for path in api.seen if '?' in path)
    assert 'visibility=public' in asked
    assert 'status=active' in asked


def test_what_is_skipped_is_told(warm, api):
    api.images[FIRST]['container_format'] = 'ova'
    warm(SECOND)

    status, out, _err = warm(FIRST, SECOND)

    assert status == 0
    assert sorted(out.splitlines()) == [
        f'{FIRST} skipped: its container_format is ova, not bare',
        f'{SECOND} there: qcow2-22222222',
    ]


def fail(_request):
    raise errors.ImageUnacceptable(FIRST, 'it has a backing file')


def test_one_that_fails_does_not_stop_the_others(warm, builder):
    builder.acts[FIRST] = fail

    status, out, err = warm(FIRST, SECOND, 'no-such-image')

    assert status == 1
    assert out.startswith(f'{SECOND} built: ')
    missing, failed = err.splitlines()
    assert "'no-such-image'" in missing
    assert failed.startswith(f'{FIRST} failed: ')
    assert 'backing file' in failed


def test_nothing_to_warm_is_an_error(warm):
    status, _out, err = warm()

    assert status == 1
    assert err == 'Name an image, or give --all-public.\n'


def test_signature_is_verified_as_the_user_of_glance(
    warm, api, builder, monkeypatch
):
    asked = []

    def verifier(context, image_id, properties):
        # As castellan does.
        cfg.CONF.register_opt(cfg.StrOpt('backend'), 'key_manager')
        asked.append((context.auth_token, image_id))
        asked.append(cfg.CONF.key_manager.backend)
        raise errors.SignatureInvalid(image_id, properties['img_signature'])

    monkeypatch.setattr(signatures, 'verifier', verifier)
    api.images[FIRST]['img_signature'] = 'it does not hold'
    builder.acts[FIRST] = lambda request: request.verifier()

    status, _out, err = warm(FIRST, SECOND)

    assert status == 1
    assert 'it does not hold' in err
    assert asked == [('t', FIRST), 'barbican']
    assert builder.requests[SECOND].verifier is None


def test_as_many_are_built_at_once_as_copies_may_be_made(warm, api, builder):
    """4 by default: all of them meet."""
    met = threading.Barrier(4)
    for number in range(4):
        image_id = f'{number}-id'
        api.images[image_id] = record('many', f'{number + 3}')
        builder.acts[image_id] = lambda _request: met.wait(timeout=30)

    status, out, _err = warm(*(f'{number}-id' for number in range(4)))

    assert status == 0
    assert out.count(' built: ') == 4


@pytest.mark.parametrize('number', [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_the_builds(warm, builder, store, interruptible, number):
    def interrupt(request):
        os.kill(os.getpid(), number)
        while True:
            request.cancellation.check()

    builder.acts[FIRST] = interrupt

    status, out, err = warm(FIRST)

    assert (status, out) == (130, '')
    assert err == 'Interrupted: what was unfinished is removed.\n'
    assert store.things == {}
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL


class Terminal(io.StringIO):
    def isatty(self):
        return True


def copied(done, size):
    return copying.Progress(done, size, done, 0, 1.0)


def test_terminal_shows_how_far_a_copy_is(monkeypatch):
    monkeypatch.setenv('TERM', 'xterm')
    monkeypatch.setenv('COLUMNS', '100')
    terminal = Terminal()

    with warm_progress.on(terminal) as progress:
        with progress.image(FIRST) as shown:
            shown.start()
            shown.report(copied(2**20, 4 * 2**20))
            progress._bars.refresh()
            half = terminal.getvalue()
            shown.report(copied(4 * 2**20, 4 * 2**20))
            progress._bars.refresh()
        progress.line(f'{FIRST} built: [b]')

    assert f'{FIRST} copying' in half
    assert '1.0/4.0 MiB' in half
    assert f'{FIRST} building' in terminal.getvalue()
    assert f'{FIRST} built: [b]\n' in terminal.getvalue()


def test_elsewhere_there_are_lines_alone():
    stream = io.StringIO()

    with warm_progress.on(stream) as progress, progress.image(FIRST) as shown:
        shown.start()
        shown.report(copied(1, 4))
        progress.line('done')

    assert stream.getvalue() == 'done\n'


def warmed(store):
    WarmRecords(store).write(
        [
            WarmRecord(
                SECOND,
                'ubuntu',
                '2026-01-01T00:00:00Z',
                WarmStage.FAILED,
                'it has a backing file',
                written=1.0,
            ),
            WarmRecord(
                FIRST,
                'debian',
                '2026-01-01T00:00:00Z',
                WarmStage.RUNNING,
                base=f'cow-base-qcow2-sha512-{"1" * 128}',
                tries=1,
                written=2.0,
            ),
        ]
    )


def test_status_tells_people_what_became_of_each_image(warm, store):
    warmed(store)

    status, out, _err = warm('--status')

    assert status == 0
    first, second = (line for line in out.splitlines() if '1970' in line)
    for word in ('11111111', 'debian', 'running'):
        assert word in first
    assert 'qcow2-11111111' in first
    assert 'failed' in second
    assert max(map(len, out.splitlines())) <= 100


@pytest.mark.parametrize('form', ['table', 'value'])
def test_name_of_an_image_cannot_write_to_the_terminal(warm, store, form):
    name = 'a\x1b]0;x\x07'
    record = WarmRecord(
        FIRST, name, '2026-01-01T00:00:00Z', WarmStage.QUEUED, written=1.0
    )
    WarmRecords(store).write([record])

    status, out, _err = warm('--status', '-f', form)

    assert status == 0
    assert '\x1b' not in out
    assert '\x07' not in out
    assert 'a\\x1b' in out


def test_status_tells_programs_all_of_it(warm, store, builder):
    warmed(store)

    _status, out, _err = warm('--status', '-f', 'json')

    running, failed = json.loads(out)
    assert running['Image ID'] == FIRST
    assert failed['Why'] == 'it has a backing file'
    assert builder.made == 0


def test_status_takes_no_images(warm):
    status, _out, err = warm('--status', FIRST)

    assert (status, err) == (1, '--status takes no images.\n')
