# SPDX-License-Identifier: Apache-2.0
"""Whatever bytes Glance, or a proxy before it, answers with."""

from hypothesis import given
from hypothesis import strategies as st
import pytest

from cinder_cow import errors
from cinder_cow.model import ImageInfo
from cinder_cow.sources import glance
from tests.fakes.glance_server import RawServer
from tests.unit.conftest import IMAGE_ID

BODY = bytes(range(256)) * 8
LENGTHS = st.one_of(
    st.integers(-3, 2 * len(BODY)).map(str),
    st.sampled_from(['', '1, 1', '5,6', '٣', '9' * 30, '9' * 5000, '1e3']),
)
HEADERS = st.one_of(
    st.tuples(st.just('Content-Length'), LENGTHS),
    st.tuples(
        st.just('Transfer-Encoding'),
        st.sampled_from(['chunked', 'gzip', 'CHUNKED', 'identity', 'x']),
    ),
    st.tuples(
        st.just('Content-Encoding'),
        st.sampled_from(['gzip', 'br', 'deflate', 'x', 'gzip, gzip']),
    ),
    st.tuples(
        st.just('Content-Range'),
        st.sampled_from(['bytes 0-9/10', 'bytes 7-', 'bytes -', '\xff', '']),
    ),
    st.tuples(
        st.text('ABCxyz-_: \t\0', max_size=8),
        st.text(st.characters(max_codepoint=255), max_size=30),
    ),
)
STATUS = st.one_of(
    st.sampled_from([200, 200, 200, 206, 204, 100, 101, 304, 401, 404, 503]),
    st.integers(-1, 1000),
)
CHUNK = st.builds(
    lambda size, body: size.encode() + b'\r\n' + body + b'\r\n',
    st.sampled_from(['0', '5', '-5', '800', 'zz', '5;x=y', '5' * 40, '']),
    st.binary(max_size=12),
)
BODIES = st.one_of(
    st.integers(0, len(BODY)).map(lambda length: BODY[:length]),
    st.lists(CHUNK, max_size=4).map(b''.join),
    st.binary(max_size=100),
)


def response(status, headers, body):
    lines = [f'HTTP/1.1 {status} x', *(f'{n}: {v}' for n, v in headers)]
    head = '\r\n'.join(lines) + '\r\n\r\n'
    return head.encode('latin-1', 'replace') + body


ANSWERS = st.one_of(
    st.builds(response, STATUS, st.lists(HEADERS, max_size=4), BODIES),
    st.builds(
        response,
        st.just(200),
        st.tuples(st.tuples(st.just('Content-Length'), LENGTHS)),
        BODIES,
    ),
    st.binary(max_size=200),
)


@pytest.fixture(scope='module')
def server():
    with RawServer(b'') as serving:
        yield serving


@given(raw=ANSWERS, size_bytes=st.sampled_from([0, 1, 700, len(BODY)]))
def test_any_answer_is_bytes_or_an_error_of_ours(server, raw, size_bytes):
    server.raw = raw
    source = glance.GlanceSource(glance.GlanceSettings(stall_seconds=5))
    image = ImageInfo(IMAGE_ID, 'active', 'raw', 'bare', size_bytes)

    with source.open(image, server.access) as reading:
        try:
            got = b''.join(reading.chunks())
        except errors.SourceError:
            return
    assert len(got) >= size_bytes
    assert raw.split()[1] == b'200'
    assert got in raw or b'hunked' in raw or b'HUNKED' in raw


@given(
    status=st.sampled_from([200, 206]),
    begins=st.integers(0, len(BODY)),
    said=st.integers(-1, len(BODY) + 1),
    sent=st.integers(0, len(BODY)),
)
def test_rest_is_taken_only_where_it_continues(
    server, status, begins, said, sent
):
    """Of a download that broke after 100 bytes."""
    first = response(200, [('Content-Length', str(len(BODY)))], BODY[:100])
    place = [('Content-Range', f'bytes {said}-{len(BODY) - 1}/{len(BODY)}')]
    rest = response(status, place, BODY[begins : begins + sent])
    server.raw = first
    source = glance.GlanceSource(glance.GlanceSettings(stall_seconds=5))
    image = ImageInfo(IMAGE_ID, 'active', 'raw', 'bare', len(BODY))

    with source.open(image, server.access) as reading:
        chunks = reading.chunks()
        try:
            got = next(chunks)
            server.raw = rest
            got += b''.join(chunks)
        except errors.SourceError:
            return
    if said == 100 and begins == 100:
        assert got == BODY
    assert status == 206
    assert said == 100
