# SPDX-License-Identifier: Apache-2.0
"""A real process that writes without end."""

import os
import pathlib
import subprocess
import sys
import time

import pytest

from cinder_cow.conversion import bounded_process
from cinder_cow.conversion.bounded_process import BoundedProcess, TimedOut

MIB = 2**20


def ended(code, seconds=30):
    process = BoundedProcess()
    try:
        return process.run(
            (sys.executable, '-I', '-S', '-c', f'import os; {code}'),
            dict(os.environ),
            seconds,
        )
    finally:
        process.end()
        assert process._descriptor == -1


def test_all_that_it_wrote_and_its_exit_code_are_answered():
    found = ended('os.write(1, b"o"); os.write(2, b"e\\xff"); os._exit(3)')
    assert (found.code, found.output) == (3, 'o')
    assert found.error == 'e\N{REPLACEMENT CHARACTER}'
    assert not found.too_long


def test_output_without_end_is_not_kept_and_ends_the_process():
    started = time.monotonic()
    found = ended('exec("while 1: os.write(1, bytes(65536))")')
    assert found.too_long
    assert len(found.output) <= bounded_process.MOST_OUTPUT_BYTES
    assert found.code == -9
    assert time.monotonic() - started < 20


def test_as_much_output_as_is_kept_is_whole():
    size = bounded_process.MOST_OUTPUT_BYTES
    found = ended(f'import sys; sys.stdout.write("x" * {size})')
    assert (found.code, len(found.output), found.too_long) == (0, size, False)


def test_the_end_of_a_long_standard_error_is_kept():
    found = ended(
        '[os.write(2, b"x" * 65536) for _ in range(99)];'
        ' os.write(2, b"the reason"); os._exit(1)'
    )
    assert found.code == 1
    assert len(found.error) == 2**16
    assert found.error.endswith('the reason')


@pytest.mark.parametrize('code', ['', 'os.close(1); os.close(2); '])
def test_it_ends_in_time_though_it_writes_nothing(code):
    with pytest.raises(TimedOut):
        ended(f'{code}import time; time.sleep(60)', 0.3)


@pytest.mark.parametrize('where', ['green', 'native', 'pool'])
def test_under_eventlet_it_works_in_threads_of_all_kinds(where):
    code = f"""
import eventlet
eventlet.monkey_patch()
from cinder_cow import native
from tests.unit.conversion import test_bounded_process as test
found = []
def work():
    found.append(test.ended('os.write(1, b"out")').output)
    found.append(test.ended(
        'exec("while 1: os.write(1, bytes(65536))")').too_long)
if {where!r} == 'green':
    work()
elif {where!r} == 'pool':
    native.in_thread(work)()
else:
    thread = native.thread(work, 'x')
    thread.start()
    while thread.is_alive():
        eventlet.sleep(0.05)
print(found)
"""
    root = pathlib.Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, '-W', 'ignore', '-c', code], cwd=root,
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.stdout.strip() == "['out', True]", done.stderr
