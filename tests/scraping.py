# SPDX-License-Identifier: Apache-2.0
"""Scrapes as Prometheus does, over TCP or a Unix socket."""

import socket

from prometheus_client.parser import text_string_to_metric_families

REQUEST = b'GET /metrics HTTP/1.1\r\nHost: here\r\nAccept: */*\r\n\r\n'


def free_port(host='127.0.0.1'):
    family = socket.AF_INET6 if ':' in host else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server:
        return server.getsockname()[1]


def connect(address, seconds=20):
    """A connection, by the text of the option."""
    if address.startswith('unix:'):
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(seconds)
        connection.connect(address.removeprefix('unix:'))
        return connection
    host, _, port = address.rpartition(':')
    return socket.create_connection(
        (host.strip('[]') or '127.0.0.1', int(port)), seconds
    )


def exchange(address, request=REQUEST):
    """All that is answered."""
    with connect(address) as connection:
        connection.sendall(request)
        return rest(connection)


def rest(connection):
    answer = b''
    while piece := connection.recv(65536):
        answer += piece
    return answer


def scrape(address):
    """The values by their names and labels, without the backend."""
    head, _, body = exchange(address).partition(b'\r\n\r\n')
    assert head.startswith(b'HTTP/1.0 200 '), head
    assert f'Content-Length: {len(body)}'.encode() in head
    return values(body.decode())


def values(text):
    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            labels = sample.labels | {}
            labels.pop('backend')
            labels = [labels[each] for each in sorted(labels)]
            key = (sample.name.removeprefix('cinder_cow_'), *labels)
            found[key] = sample.value
    return found
