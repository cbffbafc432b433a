# SPDX-License-Identifier: Apache-2.0
"""Where metrics are served, and to whom: no scraper holds up the service."""

import contextlib
import os
import socket
import stat
import subprocess
import sys
import textwrap
import threading
import time

import prometheus_client
import pytest

from cinder_cow import native
from cinder_cow.cinder_adapter import metrics
from cinder_cow.cinder_adapter.metrics import listening, server
from tests import scraping


@pytest.fixture
def listeners(monkeypatch):
    """All listeners that the test makes; closed in the end."""
    made = []
    listener = listening.listener

    def recorded(address):
        made.append(listener(address))
        return made[-1]

    monkeypatch.setattr(listening, 'listener', recorded)
    monkeypatch.setattr(server, 'PAUSE_SECONDS', 0.05)
    yield made
    threads = scrape_threads()
    for each in made:
        native.shut_down(each.fileno())
        each.close()
    for each in threads:
        each.join(20)
        assert not each.is_alive()


def scrape_threads():
    return [
        each
        for each in threading.enumerate()
        if each.name == 'cinder-cow-metrics'
    ]


@pytest.fixture
def serve(listeners):
    """Serves one gauge at an address."""
    registry = prometheus_client.CollectorRegistry()
    gauge = prometheus_client.Gauge('x', 'x', ['backend'], registry=registry)
    gauge.labels('cow').set(1)

    def serve(address):
        server.serve(listening.listener(address), registry)
        return address

    return serve


@pytest.fixture
def address(serve):
    return serve(f'127.0.0.1:{scraping.free_port()}')


@pytest.fixture
def path(tmp_path):
    return tmp_path / 'metrics.sock'


# Addresses.


@pytest.mark.parametrize(
    ('text', 'parsed'),
    [
        ('9282', ('127.0.0.1', 9282)),
        ('127.0.0.1:9282', ('127.0.0.1', 9282)),
        ('0.0.0.0:9282', ('0.0.0.0', 9282)),
        ('[::1]:9282', ('::1', 9282)),
    ],
)
def test_port_alone_is_one_of_the_loopback(text, parsed):
    assert listening.parse(text) == parsed


@pytest.mark.parametrize(
    'text',
    [
        '127.0.0.1',
        ':9282',
        '127.0.0.1:0',
        '127.0.0.1:99999',
        '127.0.0.1:x',
        '::1:9282',
        'http://127.0.0.1:9282',
        '127.0.0.1:9282/metrics',
        'user@127.0.0.1:9282',
        'controller:9282',
        '0',
        '99999',
        'yes',
        'unix:cow.sock',
        'unix:',
    ],
)
def test_wrong_address_is_an_error_that_names_it(
    text, listeners, caplog, hosted
):
    found = metrics.start(text, 'cow', hosted.cow_parts)

    assert not found.served
    (record,) = [each for each in caplog.records if each.levelname == 'ERROR']
    assert f'cow_metrics_address = {text}: ' in record.message
    assert '127.0.0.1:9282' in record.message
    assert scrape_threads() == []


def test_port_in_use_is_an_error_and_no_end(
    address, listeners, caplog, hosted
):
    assert not metrics.start(address, 'cow', hosted.cow_parts).served

    assert f'cow_metrics_address = {address}: ' in caplog.text
    assert 'in use' in caplog.text
    assert len(scrape_threads()) == 1


def test_ipv6_is_served(serve):
    address = serve(f'[::1]:{scraping.free_port("::1")}')

    assert scraping.scrape(address) == {('x',): 1}


# Unix sockets.


def test_socket_is_for_cinder_and_its_group(serve, path):
    address = serve(f'unix:{path}')

    assert scraping.scrape(address) == {('x',): 1}
    assert stat.S_IMODE(path.stat().st_mode) == 0o660
    assert os.listdir(path.parent) == [path.name]


def test_socket_of_a_killed_process_is_replaced(serve, path):
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        dead.listen()
    assert path.exists()

    assert scraping.scrape(serve(f'unix:{path}')) == {('x',): 1}


def test_socket_that_another_listens_at_is_left_alone(
    serve, path, hosted, caplog
):
    address = serve(f'unix:{path}')

    assert not metrics.start(address, 'other', hosted.cow_parts).served
    assert 'another process listens there' in caplog.text
    assert scraping.scrape(address) == {('x',): 1}


def test_file_of_that_name_is_left_alone(path, listeners, hosted, caplog):
    path.write_text('precious')

    assert not metrics.start(f'unix:{path}', 'x', hosted.cow_parts).served
    assert 'there is a file of that name' in caplog.text
    assert path.read_text() == 'precious'


def test_folder_that_is_missing_is_an_error(path, listeners, hosted, caplog):
    address = f'unix:{path.parent}/none/cow.sock'

    assert not metrics.start(address, 'x', hosted.cow_parts).served
    assert 'No such file or directory' in caplog.text
    assert os.listdir(path.parent) == []


# Scrapers.


@pytest.mark.parametrize(
    'request_',
    [
        b'GET / HTTP/1.0\r\n\r\n',
        b'GET /metrics?name[]=y HTTP/1.1\r\nAccept-Encoding: gzip\r\n\r\n',
        b'GET /metrics HTTP/1.1\r\nConnection: keep-alive\r\n\r\n',
        b'GET /metrics HTTP/1.1\r\nAccept: a/b; escaping=\xff\r\n\r\nmore',
    ],
)
def test_every_get_has_the_same_answer(address, request_):
    head, _, body = scraping.exchange(address, request_).partition(b'\r\n\r\n')

    assert b' 200 ' in head.splitlines()[0]
    assert scraping.values(body.decode()) == {('x',): 1}


@pytest.mark.parametrize(
    'request_',
    [
        b'\r\n\r\n',
        b'GET\r\n\r\n',
        b'POST /metrics HTTP/1.1\r\nContent-Length: 9\r\n\r\nx',
        b'GET /metrics HTTP/9.9\r\n\r\n',
        b'\0\xff \0 \0\r\n\r\n',
        b'GET / HTTP/1.1\r\n' + b'a: b\r\n' * 200 + b'\r\n',
    ],
)
def test_other_request_has_no_metrics(address, request_, caplog):
    answer = scraping.exchange(address, request_)

    assert b'200 OK' not in answer
    assert scraping.scrape(address) == {('x',): 1}
    assert caplog.records == []


def send_without_end(connection):
    """How many bytes were taken."""
    sent = 0
    with contextlib.suppress(ConnectionError):
        while sent < 64 * 2**20:
            sent += connection.send(b'a' * 8192)
    return sent


def test_endless_request_is_cut_off(address):
    with scraping.connect(address) as connection:
        sent = send_without_end(connection)

    assert sent < 64 * 2**20
    assert scraping.scrape(address) == {('x',): 1}


def test_hung_scrapers_hold_up_the_next_for_a_moment_only(
    address, monkeypatch
):
    monkeypatch.setattr(server, 'SCRAPE_SECONDS', 0.5)
    with contextlib.ExitStack() as stack:
        for _ in range(2 * server.MOST_SCRAPES):
            hung = stack.enter_context(scraping.connect(address))
            hung.sendall(b'GET /metrics')
        started = time.monotonic()
        assert scraping.scrape(address) == {('x',): 1}
        assert time.monotonic() - started < 10
        assert threads_of_scrapes() <= server.MOST_SCRAPES


def threads_of_scrapes():
    return sum('_answer' in each.name for each in threading.enumerate())


def test_request_byte_by_byte_has_no_longer(address, monkeypatch):
    monkeypatch.setattr(server, 'SCRAPE_SECONDS', 0.5)
    with scraping.connect(address) as slow:
        started = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while time.monotonic() - started < 20:
                slow.sendall(b'a')
                time.sleep(0.05)
        assert time.monotonic() - started < 10


# The driver's own start.


@pytest.fixture
def start(hosted, listeners, monkeypatch):
    """Begins as cinder-volume does, without Ceph and without its threads."""
    from cinder.volume.drivers import rbd

    from cinder_cow.cinder_adapter import periodic_sweep, selftest

    monkeypatch.setattr(rbd.RBDDriver, 'check_for_setup_error', lambda _: None)
    monkeypatch.setattr(selftest, 'start', lambda *_: None)
    monkeypatch.setattr(periodic_sweep, 'start', lambda *_: None)

    def start(address):
        monkeypatch.setattr(
            hosted.configuration, 'cow_metrics_address', address, raising=False
        )
        hosted.check_for_setup_error()

    return start


def test_off_is_no_thread_and_no_socket(start, hosted, listeners):
    start('')

    assert listeners == []
    assert scrape_threads() == []
    assert not hosted._cow_metrics.served


def test_second_start_of_the_driver_keeps_what_was_counted(
    start, hosted, caplog
):
    address = f'127.0.0.1:{scraping.free_port()}'
    start(address)
    hosted._cow_metrics.failed(ValueError())
    start(address)

    assert scraping.scrape(address)['failures_total', 'Other'] == 1
    assert 'ERROR' not in caplog.text
    assert len(scrape_threads()) == 1


# Each in a process of its own: patching cannot be undone.

PATCH = 'import eventlet; eventlet.monkey_patch()\n'
OFF = """
    import sys
    from cinder_cow import driver
    from cinder_cow.cinder_adapter import metrics
    metrics.start('', 'cow', None)
    print('prometheus_client' in sys.modules)
"""
BUSY = """
    import sys, threading, time
    from cinder_cow import driver
    from cinder_cow.cinder_adapter import metrics
    from cinder_cow.cinder_adapter.metrics import server
    from cinder_cow.errors import PluginNotLoadable
    from tests import scraping

    def parts():
        raise PluginNotLoadable('a', 'b', 'c', 'd')

    server.SCRAPE_SECONDS = 4
    address = sys.argv[1] or str(scraping.free_port())
    assert metrics.start(address, 'cow', parts).served
    ticks, longest = 0, 0

    def tick():
        global ticks, longest
        while ticks >= 0:
            before = time.monotonic()
            time.sleep(0.005)
            longest = max(longest, time.monotonic() - before)
            ticks += 1

    threading.Thread(target=tick, daemon=True).start()
    if ':' not in address:
        address = '127.0.0.1:' + address
    hung = [scraping.connect(address) for _ in range(server.MOST_SCRAPES)]
    started = time.monotonic()
    found = scraping.scrape(address)
    waited = time.monotonic() - started
    for each in hung:
        assert each.recv(1) == b''
    for _ in range(50):
        found = scraping.scrape(address)
    print(found['failures_total', 'Other'] == 0, ticks > 50)
    print(2 < waited < 60, longest < 3)
"""


def run(script, *arguments):
    done = subprocess.run(
        [sys.executable, '-c', script, *arguments],
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_off_imports_no_library_for_it():
    # oslo.messaging may import it one day; then this says nothing any more.
    assert run(textwrap.dedent(OFF)) == ['False']


@pytest.mark.parametrize('patch', [PATCH, ''], ids=['eventlet', 'threading'])
@pytest.mark.parametrize('kind', ['tcp', 'unix'])
def test_scrapers_that_hang_stop_nobody_else(patch, kind, path):
    address = f'unix:{path}' if kind == 'unix' else ''

    found = run(patch + textwrap.dedent(BUSY), address)

    assert found == ['True'] * 4
