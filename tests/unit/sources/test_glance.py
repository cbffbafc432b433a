# SPDX-License-Identifier: Apache-2.0
"""The real source behind a real client, and a server that misbehaves."""

import contextlib
import hashlib
import random
import threading
import time
import urllib.parse

import pytest

from cinder_cow import errors
from cinder_cow.copying import Cancellation
from cinder_cow.model import ImageInfo, Stream, Target
from cinder_cow.sources import glance
from tests.fakes.glance_server import TOKEN, Answer, GlanceServer, breaks
from tests.fakes.request import nothing, run
from tests.fakes.source import thread_pool
from tests.unit.conftest import IMAGE_ID
from tests.waiting import wait_until

CONTENT = random.Random(3).randbytes(300_001)
SIZE = len(CONTENT)
OTHER_END = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
TARGET = Target('v-1', 'volume-v-1', SIZE + 5000)
IMAGE = ImageInfo(
    IMAGE_ID,
    'active',
    'raw',
    'bare',
    SIZE,
    hash_algo='sha512',
    hash_value=hashlib.sha512(CONTENT).hexdigest(),
)

WHOLE = {
    'good': Answer(),
    'chunked': Answer(chunked=True),
    'http-1.0': Answer(length=-1),
    'slow': Answer(pause_seconds=0.06),
    'compresses': Answer(compresses=True),
}
BROKEN = {
    'nothing comes': Answer(sends_bytes=0),
    'truncates': Answer(sends_bytes=SIZE - 1),
    'says more than it has': Answer(length=SIZE + 1),
    'says less than it has': Answer(length=SIZE - 1),
    'http-1.0 closes early': Answer(length=-1, sends_bytes=1000),
    'chunked closes early': Answer(chunked=True, sends_bytes=1000),
    'resets': Answer(sends_bytes=200_000, resets=True),
    'refuses ranges': Answer(sends_bytes=1000, refuses_ranges=True),
    'goes on elsewhere': breaks(1000, skips_bytes=1),
    'breaks for ever': breaks(1000),
}
UNREACHABLE = [203, 204, 206, 401, 403, 404, 410, 500, 503]


@pytest.fixture
def serving():
    """Starts a server with some answers."""
    servers = []

    def serve(*answers):
        servers.append(GlanceServer(CONTENT, *answers).__enter__())
        return servers[-1]

    yield serve
    for each in servers:
        each.__exit__()
    assert thread_pool() == []


def glance_source(**changes):
    given = {'stall_seconds': 0.5, **changes}
    return glance.GlanceSource(glance.GlanceSettings(**given))


def read(server, image=IMAGE, **changes):
    with glance_source(**changes).open(image, server.access) as reading:
        return b''.join(reading.chunks())


@pytest.mark.parametrize('answer', WHOLE.values(), ids=WHOLE)
def test_whole_image_arrives(serving, answer):
    assert read(serving(answer)) == CONTENT


def test_image_of_unknown_size_arrives(serving):
    unknown = ImageInfo(IMAGE_ID, 'active', 'raw', 'bare')

    assert read(serving(Answer(length=-1)), unknown) == CONTENT


class NotEnforcing:
    """A server whose clients are as urllib3 1.26: it checks no length."""

    def __init__(self, server):
        self._server = server

    def access(self):
        client = self._server.access()

        def trusting(response, **_more):
            response.raw.enforce_content_length = False

        client.http_client.session.session.hooks['response'].append(trusting)
        return client


@pytest.mark.parametrize('urllib3', ['1.26', '2'])
@pytest.mark.parametrize('first', ['truncates', 'nothing comes'])
@pytest.mark.parametrize('size_bytes', [0, SIZE])
def test_body_shorter_than_its_length_is_damaged_though_the_size_is_unknown(
    serving, urllib3, first, size_bytes
):
    image = ImageInfo(IMAGE_ID, 'active', 'raw', 'bare', size_bytes)
    server = serving(BROKEN[first])
    if urllib3 == '1.26':
        server = NotEnforcing(server)

    with pytest.raises(errors.SourceDamaged):
        read(server, image)


def test_client_that_cannot_be_made_is_unreachable():
    def access():
        raise AttributeError('injected')

    with (
        glance_source().open(IMAGE, access) as reading,
        pytest.raises(errors.SourceUnreachable, match='AttributeError: inj'),
    ):
        list(reading.chunks())


def test_glance_is_asked_as_the_user(serving):
    server = serving(Answer())

    read(server)

    assert [each.token for each in server.seen] == [TOKEN]
    assert server.seen[0].path == f'/v2/images/{IMAGE_ID}/file'


def test_preferred_stores_are_asked_for_in_order(serving):
    server = serving(breaks(1000), Answer(ranges=True))

    read(server, stores=('fast', 'a&b'))

    queries = [urllib.parse.urlsplit(each.path).query for each in server.seen]
    assert queries == 2 * ['prefer=fast%2Ca%26b']


@pytest.mark.parametrize('times', [1, 2, 3])
def test_broken_download_is_resumed_where_it_broke(serving, times):
    server = serving(*times * [breaks(70_001)], Answer(ranges=True))

    assert read(server) == CONTENT
    begun = [f'bytes={n * 70_001}-' for n in range(1, times + 1)]
    assert server.ranges == [None, *begun]


@pytest.mark.parametrize(
    'first',
    ['resets', 'http-1.0 closes early', 'chunked closes early', 'truncates'],
)
def test_any_break_is_resumed_where_the_store_can(serving, monkeypatch, first):
    # A reset takes what is read of a chunk with it: small ones, then.
    monkeypatch.setattr(glance, 'CHUNK_BYTES', 4096)
    server = serving(BROKEN[first], Answer(ranges=True))

    assert read(server) == CONTENT
    assert len(server.seen) == 2


@pytest.mark.parametrize('answer', BROKEN.values(), ids=BROKEN)
def test_download_that_cannot_be_resumed_is_damaged(serving, answer):
    with pytest.raises(errors.SourceDamaged, match='the download broke after'):
        read(serving(answer))


def test_ignored_range_is_not_taken_for_the_rest(serving):
    with pytest.raises(errors.SourceDamaged):
        read(serving(breaks(1000), Answer()))


def test_download_is_resumed_three_times_at_most(serving):
    server = serving(breaks(1000))

    with pytest.raises(errors.SourceDamaged, match='after 4000 bytes'):
        read(server)
    assert len(server.seen) == 4


@pytest.mark.parametrize('status', UNREACHABLE)
def test_refusal_is_unreachable(serving, status):
    with pytest.raises(errors.SourceUnreachable) as caught:
        read(serving(Answer(status=status)))
    said = 'holds no data' if status == 204 else str(status)
    assert said in str(caught.value)
    assert TOKEN not in str(caught.value)


def test_glance_that_is_down_is_unreachable(serving):
    server = serving(Answer())
    server.__exit__()

    with pytest.raises(errors.SourceUnreachable):
        read(server)


@pytest.mark.parametrize('where', ['headers', 'body'])
def test_silence_is_a_stall_after_the_limit(serving, where):
    server = serving(Answer(stalls=where, sends_bytes=200_000))
    begun = time.monotonic()

    with pytest.raises(errors.SourceStalled, match='no byte came for 1 s'):
        read(server, stall_seconds=1)
    assert 0.9 < time.monotonic() - begun < 4


def test_silence_after_a_break_is_a_stall(serving):
    server = serving(breaks(1000), Answer(stalls='headers', ranges=True))

    with pytest.raises(errors.SourceStalled, match='after the first 1000'):
        read(server)


@pytest.mark.parametrize(
    'answers',
    [
        (Answer(),),
        (Answer(status=404),),
        (Answer(status=204),),
        (breaks(1000), Answer(ranges=True)),
        (breaks(1000), Answer(status=503)),
        (breaks(1000), Answer()),
    ],
    ids=['good', '404', '204', 'resumed', 'not resumed', 'range ignored'],
)
def test_every_response_is_closed(serving, answers):
    server = serving(*answers)

    with contextlib.suppress(errors.SourceError):
        read(server)

    assert len(server.responses) == len(answers)
    assert all(each.raw.closed for each in server.responses)


def test_response_that_is_not_read_to_its_end_is_closed(serving):
    server = serving(Answer(stalls='body', sends_bytes=200_000, length=SIZE))

    with glance_source().open(IMAGE, server.access) as reading:
        chunks = reading.chunks()
        with pytest.raises(errors.SourceStalled):
            list(chunks)

    assert all(each.raw.closed for each in server.responses)


# Through the engine, into a volume.


def copy(server, backend, image=IMAGE, source=None, **more):
    return run(
        Stream(TARGET.size_bytes, ()),
        image,
        TARGET,
        backend,
        nothing,
        [source or glance_source()],
        glance=server.access,
        **more,
    )


def test_volume_holds_the_image(serving, backend):
    copy(serving(Answer()), backend)

    assert backend.volumes == {TARGET.volume_name: CONTENT + bytes(5000)}


def test_download_begins_anew_where_it_cannot_be_resumed(serving, backend):
    server = serving(Answer(sends_bytes=200_000), Answer(status=400), Answer())

    copy(server, backend)

    assert backend.volumes == {TARGET.volume_name: CONTENT + bytes(5000)}
    assert server.ranges == [None, 'bytes=200000-', None]


@pytest.mark.parametrize(
    ('answer', 'error', 'downloads'),
    [
        (Answer(content=OTHER_END), errors.SourceDamaged, 2),
        (Answer(content=CONTENT + b'x'), errors.SourceDamaged, 2),
        (Answer(content=CONTENT[:-1]), errors.SourceDamaged, 2),
        (Answer(status=503), errors.SourceUnreachable, 2),
        (Answer(sends_bytes=200_000, stalls='body'), errors.SourceStalled, 1),
    ],
    ids=['corrupt', 'excess', 'short', 'refused', 'stalls'],
)
def test_fault_leaves_no_volume(serving, backend, answer, error, downloads):
    server = serving(answer)

    with pytest.raises(error):
        copy(server, backend)
    assert backend.volumes == {}
    assert server.ranges.count(None) == downloads


# Cancelled.


@pytest.mark.parametrize('where', ['headers', 'body'])
def test_cancelled_download_ends_soon_though_glance_is_silent(
    serving, backend, where
):
    server = serving(Answer(stalls=where, sends_bytes=200_000, length=SIZE))
    cancellation = Cancellation()
    timer = threading.Timer(0.3, cancellation.cancel)
    timer.start()
    begun = time.monotonic()

    with pytest.raises(errors.CopyCancelled, match=IMAGE_ID):
        copy(
            server,
            backend,
            cancellation=cancellation,
            source=glance_source(stall_seconds=5),
        )
    assert time.monotonic() - begun < 3
    assert backend.volumes == {}
    assert len(server.seen) == 1
    timer.join()
    server.closing.set()
    wait_until(lambda: thread_pool() == [])


def test_corruption_without_a_hash_is_not_seen_and_said_to_be_so(
    serving, backend
):
    image = ImageInfo(IMAGE_ID, 'active', 'raw', 'bare', SIZE)

    result = copy(serving(Answer(content=OTHER_END)), backend, image)

    assert (result.source, result.verification.value) == ('glance', 'absent')
