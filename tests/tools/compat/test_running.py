# SPDX-License-Identifier: Apache-2.0
"""A command that has to end stops first what it has started."""

import sys
import threading
import time

import pytest

from compat.running import Commands, Failed

#: As pytest does with its fixtures: a cluster is stopped at the interrupt.
TIDY = """
import pathlib, sys, time
begun, tidy = map(pathlib.Path, sys.argv[1:])
try:
    print('so far', flush=True)
    begun.touch()
    time.sleep(60)
finally:
    tidy.touch()
"""


@pytest.fixture
def commands():
    return Commands()


@pytest.fixture
def command(tmp_path):
    return sys.executable, '-c', TIDY, tmp_path / 'begun', tmp_path / 'tidy'


def test_command_that_takes_too_long_stops_what_it_started(
    commands, command, tmp_path
):
    with pytest.raises(Failed, match='(?s)so far.*no end after 5 s'):
        commands.run(*command, seconds=5)

    assert (tmp_path / 'tidy').exists()


def test_interrupt_ends_what_runs_and_begins_nothing_more(
    commands, command, tmp_path
):
    said = []

    def run():
        try:
            commands.run(*command, seconds=60)
        except Failed as exc:
            said.append(str(exc))

    thread = threading.Thread(target=run)
    thread.start()
    while not (tmp_path / 'begun').exists():
        time.sleep(0.01)
    commands.interrupt()
    thread.join()

    assert (tmp_path / 'tidy').exists()
    (message,) = said
    assert 'so far' in message
    with pytest.raises(Failed, match='interrupted'):
        commands.run('true', seconds=60)
