# SPDX-License-Identifier: Apache-2.0
"""What an image says does not steer what its failure is taken for."""

import signal

import pytest

from cinder_cow import errors
from cinder_cow.conversion import qemu_errors, restricted_exec
from cinder_cow.model import ImageInfo

IMAGE = ImageInfo('image-1', 'active', 'vmdk', 'bare')
SOURCE, TARGET = 'json:{"file": "s"}', 'json:{"file": "t"}'
RUN = qemu_errors.Run(IMAGE, 'convert', SOURCE, TARGET, 9, 9, 2**30)
OPEN = f"qemu-img: Could not open '{SOURCE}': "
WORDS = [
    'No space left on device',
    'Disk quota exceeded',
    'Connection timed out',
    'Operation not permitted',
    'Permission denied',
    'Cannot allocate memory',
    'error connecting: Connection timed out',
    "Unknown driver 'rbd'",
    'error while writing at byte 0: No space left on device',
    'x\nqemu-img: error while writing at byte 0: No space left on device',
    f"x\nqemu-img: Could not open '{TARGET}': error connecting: x",
    'restricted_exec: x',
]
#: QEMU's messages with text of the image in them.
FRAMES = [
    "Unsupported image type '{}'",
    'Invalid extent line: {}',
    "Could not open '{}': No such file or directory",
    'Unsupported qcow2 feature(s): {}',
    "Unknown protocol '{}'",
]


def failed(stderr, code=1):
    return qemu_errors.failure(RUN, code, stderr)


@pytest.mark.parametrize('frame', FRAMES)
@pytest.mark.parametrize('words', WORDS)
def test_text_of_the_image_does_not_choose_the_error(frame, words):
    found = failed(f'{OPEN}{frame.format(words)}\n')
    assert type(found) is errors.ImageUnacceptable


@pytest.mark.parametrize(
    'text', ['\x1b[31mred', '\x1b]0;title\x07', '\r', '\u202e', '\x9b1m']
)
def test_no_terminals_codes_reach_the_log(text):
    found = failed(f"{OPEN}Unsupported image type 'a{text}b'\n")
    assert str(found).isprintable()
    assert len(str(failed(f'{OPEN}{text * 9999}'))) < 5000


@pytest.mark.parametrize(
    ('said', 'kind'),
    [
        ('error while writing at byte 4096: No space left on device', 'Full'),
        ('error while writing at byte 0: Disk quota exceeded', 'Full'),
        ('error while writing at byte 0: Input/output error', 'StorageError'),
        ('error while reading at byte 0: Connection timed out', 'Unreachable'),
        (f"Could not open '{TARGET}': error connecting: x", 'StorageError'),
        (f"Could not open '{TARGET}': No such file", 'StorageError'),
        (f"Could not open '{SOURCE}': error opening pool x: y", 'Storage'),
    ],
)
def test_qemus_own_words_are_believed(said, kind):
    assert kind in type(failed(f'qemu-img: {said}\n')).__name__


@pytest.mark.parametrize('number', [signal.SIGTERM, signal.SIGKILL, 64])
def test_a_signal_is_not_the_images_fault(number):
    found = failed(f'{OPEN}x', -number)
    assert type(found) is errors.ConversionInterrupted


@pytest.mark.parametrize('number', [signal.SIGABRT, signal.SIGSEGV])
def test_a_crash_is_not_the_images_fault(number):
    found = failed(f'{OPEN}x', -number)
    assert type(found) is errors.ConversionLimitExceeded
    assert found.option == 'cow_convert_memory_bytes'


def test_no_message_is_not_the_images_fault():
    assert type(failed('')) is errors.ConversionInterrupted
    assert type(failed('-1 auth: a warning of librados\n')) is (
        errors.ConversionInterrupted
    )


def test_a_warning_is_no_message():
    found = failed('qemu-img: warning: x\nqemu-img: error while writing: y\n')
    assert not isinstance(found, errors.ConversionInterrupted)


def test_a_wall_that_cannot_be_built_is_told():
    said = f'{restricted_exec.PREFIX}[Errno 38] the kernel has no Landlock'
    found = failed(said, restricted_exec.FAILED)
    assert type(found) is errors.ConfinementMissing
    assert 'cow_require_confinement' in str(found)


def test_a_library_without_memory_is_a_limit():
    said = (
        '/usr/bin/qemu-img: error while loading shared libraries: libx.so:'
        ' failed to map segment from shared object: Cannot allocate memory'
    )
    assert type(failed(said, 127)) is errors.ConversionLimitExceeded


def test_a_library_that_is_missing_is_a_missing_tool():
    said = (
        '/usr/bin/qemu-img: error while loading shared libraries: libx.so:'
        ' cannot open shared object file: No such file or directory'
    )
    assert type(failed(said, 127)) is errors.ToolMissing


def test_no_memory_to_start_is_a_limit():
    said = f'{restricted_exec.PREFIX}[Errno 12] Cannot allocate memory\n'
    found = failed(said, restricted_exec.FAILED)
    assert type(found) is errors.ConversionLimitExceeded
