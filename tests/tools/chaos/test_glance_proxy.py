# SPDX-License-Identifier: Apache-2.0
"""The proxy that answers badly in the place of Glance."""

import http.server
import threading
import urllib.error
import urllib.request

import pytest

from chaos import glance_proxy
from chaos.glance_proxy import GlanceProxy, Manner

BODY = bytes(range(256)) * 4096
FILE = '/v2/images/i/file'


class Glance(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.send_header('Content-Length', str(len(BODY)))
        self.end_headers()
        self.wfile.write(BODY)

    def log_message(self, *_arguments):
        pass


@pytest.fixture
def proxy():
    server = http.server.ThreadingHTTPServer(('127.0.0.1', 0), Glance)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with GlanceProxy(f'http://127.0.0.1:{server.server_port}') as proxy:
        yield proxy
    server.shutdown()
    server.server_close()


def got(proxy, path=FILE):
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(proxy.url + path) as answer:
        return answer.read(), answer.status


@pytest.mark.parametrize('manner', [Manner.HONEST, Manner.SLOW])
def test_body_is_passed_on(proxy, monkeypatch, manner):
    monkeypatch.setattr(glance_proxy, 'SLOW_PAUSE_SECONDS', 0.01)
    proxy.manner = manner

    assert got(proxy) == (BODY, 200)


def test_corrupt_body_has_its_length(proxy):
    proxy.manner = Manner.CORRUPT

    body, _status = got(proxy)

    assert len(body) == len(BODY)
    assert body != BODY


def test_truncated_body_ends_early(proxy):
    proxy.manner = Manner.TRUNCATED

    with pytest.raises(http.client.IncompleteRead):
        got(proxy)


@pytest.mark.parametrize('manner', [Manner.TRUNCATED, Manner.CORRUPT])
def test_records_of_images_stay_as_they_are(proxy, manner):
    proxy.manner = manner

    assert got(proxy, '/v2/images/i') == (BODY, 200)


@pytest.mark.parametrize(
    'manner', [each for each in Manner if each.status is not None]
)
def test_status_takes_the_place_of_every_answer(proxy, manner):
    proxy.manner = manner

    with pytest.raises(urllib.error.HTTPError) as caught:
        got(proxy, '/v2/images/i')

    assert caught.value.code == int(manner.value)
