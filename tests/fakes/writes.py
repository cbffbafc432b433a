# SPDX-License-Identifier: Apache-2.0
"""Writes to a volume that are waited for, as tests want them."""

import threading


def write_at(writer, offset, data):
    """Returns when ``data`` is written at ``offset`` bytes, or raises."""
    _wait(lambda done: writer.start_write(offset, data, done))


def zero_at(writer, offset, length):
    """Returns when ``length`` bytes at ``offset`` are zeros, or raises."""
    _wait(lambda done: writer.start_zero(offset, length, done))


def _wait(start):
    ended = threading.Event()
    failures = []

    def done(failure):
        failures.append(failure)
        ended.set()

    start(done)
    assert ended.wait(60)
    assert len(failures) == 1
    if failures[0] is not None:
        raise failures[0]
