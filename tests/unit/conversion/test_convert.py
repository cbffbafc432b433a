# SPDX-License-Identifier: Apache-2.0
"""With an executable in the place of qemu-img that notes how it was run."""

import json
import os
import pathlib
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.conversion.convert import (
    FORMATS,
    ConversionLimits,
    ConversionTrust,
    Converter,
)
from cinder_cow.copying.cancellation import Cancellation
from cinder_cow.copying.errors import Cancelled
from cinder_cow.model import ImageInfo
from tests.waiting import wait_until

ROOT = pathlib.Path(__file__).parents[3]
IMAGE = ImageInfo('image-1', 'active', 'qcow2', 'bare')
SOURCE = BlockDevice(
    {'driver': 'rbd', 'pool': 'volumes', 'image': 'a,b', 'conf': '/c/d.conf'},
    {'CEPH_ARGS': '--of=source'},
)
TARGET = BlockDevice({'driver': 'rbd', 'image': 'base'}, {'FOR': 'target'})
LIMITS = ConversionLimits(seconds=30, cpu_seconds=7, address_space_bytes=2**32)
#: The fake is a script, which needs more programs than qemu-img does.
NOT_CONFINED = ConversionTrust(confinement=Confinement(on=False))
FAKE = """#!/bin/bash
here=${0%/*}
if [ "$1" = info ] && [ -e "$here/info" ]; then cat "$here/info"; exit; fi
printf '%s\\0' "$@" > "$here/argv"
env -0 > "$here/env"
(ulimit -t; ulimit -v; ulimit -c) > "$here/limits"
echo $$ > "$here/pid.new"
mv "$here/pid.new" "$here/pid"
source "$here/act"
"""


class Fake:
    """What qemu-img is to do, and how it was run."""

    def __init__(self, folder):
        self.folder = folder
        program = folder / 'qemu-img'
        program.write_text(FAKE)
        program.chmod(0o755)
        self.acts('')
        self.sees({'format': 'qcow2', 'virtual-size': 2**20})

    def sees(self, info):
        """What it answers when it is asked what it sees."""
        (self.folder / 'info').write_text(json.dumps(info))

    def acts_on_info(self, script):
        (self.folder / 'info').unlink()
        self.acts(script)

    def acts(self, script):
        (self.folder / 'act').write_text(script)

    def says(self, stderr, code=1):
        (self.folder / 'says').write_text(stderr)
        self.acts(f'cat "$here/says" >&2; exit {code}')

    @property
    def argv(self):
        return (self.folder / 'argv').read_text().split('\0')[:-1]

    @property
    def environment(self):
        lines = (self.folder / 'env').read_text().split('\0')[:-1]
        return dict(line.split('=', 1) for line in lines)

    @property
    def limits(self):
        """CPU seconds, KiB of address space, size of a core file."""
        return (self.folder / 'limits').read_text().split()

    def pid(self):
        wait_until((self.folder / 'pid').exists)
        return int((self.folder / 'pid').read_text())

    def is_gone(self):
        deadline = time.monotonic() + 5
        while self._state() not in ('', 'Z'):
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)
        return True

    def _state(self):
        try:
            stat = pathlib.Path(f'/proc/{self.pid()}/stat').read_text()
        except OSError:
            return ''
        return stat.rpartition(')')[2].split()[0]


@pytest.fixture
def fake(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', f'{tmp_path}:{os.environ["PATH"]}')
    return Fake(tmp_path)


def converter(limits=LIMITS):
    return Converter(limits, NOT_CONFINED)


def convert(limits=LIMITS, cancellation=None):
    converter(limits).convert(IMAGE, SOURCE, TARGET, cancellation)


def nodes(fake):
    return [
        json.loads(each.removeprefix('json:'))
        for each in fake.argv
        if each.startswith('json:')
    ]


def test_the_target_is_there_and_zero_and_written_out_of_order(fake):
    convert()
    options = [each for each in fake.argv if not each.startswith('json:')]
    said = 'convert -n --target-is-zero -W -m 16 -t none -O raw'
    assert ' '.join(options) == said


def test_formats_are_given_and_no_backing_file_is_opened(fake):
    convert()
    assert nodes(fake) == [
        {
            'driver': 'qcow2',
            'backing': None,
            'file.driver': 'rbd',
            'file.pool': 'volumes',
            'file.image': 'a,b',
            'file.conf': '/c/d.conf',
        },
        {'driver': 'raw', 'file.driver': 'rbd', 'file.image': 'base'},
    ]


@pytest.mark.parametrize('disk_format', FORMATS)
def test_the_virtual_size_is_what_qemu_reads_in_that_format(fake, disk_format):
    data = {'create-type': 'monolithicSparse', 'extents': [{}]}
    info = {
        'format': FORMATS[disk_format],
        'virtual-size': 2**60,
        'format-specific': {'data': data},
    }
    fake.acts_on_info(f"echo '{json.dumps(info)}'")
    image = ImageInfo('image-1', 'active', disk_format, 'bare')
    assert converter().virtual_size(image, SOURCE) == 2**60
    assert fake.argv[:2] == ['info', '--output=json']
    assert nodes(fake)[0]['driver'] == FORMATS[disk_format]
    assert nodes(fake)[0]['backing'] is None


def test_it_gets_the_devices_environment_and_little_of_ours(fake, monkeypatch):
    monkeypatch.setenv('OS_PASSWORD', 'secret')
    convert()
    found = set(fake.environment) - {'PWD', 'SHLVL', '_', 'OLDPWD'}
    assert found <= {
        'PATH', 'LD_LIBRARY_PATH', 'LC_ALL', 'CEPH_ARGS', 'FOR',
        'MALLOC_ARENA_MAX',
    }  # fmt: skip
    assert fake.environment['LC_ALL'] == 'C'
    assert fake.environment['CEPH_ARGS'] == '--of=source'
    assert fake.environment['FOR'] == 'target'


def test_it_runs_under_the_limits(fake):
    convert()
    assert fake.limits == ['7', str(2**22), '0']


@pytest.mark.parametrize(
    ('act', 'option'),
    [
        ('while :; do :; done', 'cow_convert_seconds'),
        ('kill -ABRT $$', 'cow_convert_memory_bytes'),
        ('kill -SEGV $$', 'cow_convert_memory_bytes'),
        (
            'echo "qemu-img: Cannot allocate memory" >&2; exit 1',
            'memory_bytes',
        ),
        (
            'echo "qemu-img: error while loading shared libraries: libx:'
            ' cannot allocate memory" >&2; exit 127',
            'memory_bytes',
        ),
    ],
)
def test_a_limit_that_is_exceeded_names_the_option(fake, act, option):
    fake.acts(act)
    limits = ConversionLimits(
        seconds=30, cpu_seconds=1, address_space_bytes=2**32
    )
    with pytest.raises(errors.ConversionLimitExceeded, match=option):
        convert(limits)
    assert fake.is_gone()


def test_time_that_is_exceeded_names_the_option(fake):
    fake.acts('exec sleep 60')
    limits = ConversionLimits(
        seconds=1, cpu_seconds=60, address_space_bytes=2**32
    )
    with pytest.raises(
        errors.ConversionLimitExceeded, match='cow_convert_seconds'
    ):
        convert(limits)
    assert fake.is_gone()


@pytest.mark.parametrize('name', ['TERM', 'INT', 'HUP', 'KILL'])
def test_a_signal_from_outside_says_nothing_of_the_image(fake, name):
    fake.acts(f'kill -{name} $$; sleep 9')
    with pytest.raises(errors.ConversionInterrupted, match=f'SIG{name}'):
        convert()


def test_a_cancelled_conversion_ends_at_once(fake):
    fake.acts('exec sleep 60')
    cancellation, found = Cancellation(), []

    def run():
        try:
            convert(cancellation=cancellation)
        except Cancelled as exc:
            found.append(exc)

    thread = threading.Thread(target=run)
    thread.start()
    fake.pid()
    cancellation.cancel()
    thread.join(10)
    assert len(found) == 1
    assert fake.is_gone()


def test_what_is_cancelled_before_is_not_begun(fake):
    fake.acts('exec sleep 60')
    cancellation = Cancellation()
    cancellation.cancel()
    with pytest.raises(Cancelled):
        convert(cancellation=cancellation)


def test_a_cancellation_that_is_not_used_stops_nothing(fake):
    cancellation = Cancellation()
    convert(cancellation=cancellation)
    cancellation.cancel()


def test_a_look_at_an_image_has_a_short_limit():
    limits = ConversionLimits(9999, 8888, 2**32)
    assert limits.of_info() == ConversionLimits(60, 60, 2**32)
    assert ConversionLimits(9, 8, 2**32).of_info().seconds == 9


@pytest.mark.parametrize(
    ('size', 'seconds'),
    [(0, 300), (2**30, 556), (10 * 2**30, 2860), (2**40, 3600)],
)
def test_limits_scale_with_the_disk_up_to_the_option(size, seconds):
    limits = ConversionLimits(3600, 3600, 2**32).of_disk(size)
    assert limits == ConversionLimits(seconds, seconds, 2**32)


NODE = {f'file.{key}': value for key, value in SOURCE.options.items()}
NAME = f'json:{json.dumps({"driver": "qcow2", "backing": None, **NODE})}'
OPEN = f"qemu-img: Could not open '{NAME}': "


@pytest.mark.parametrize(
    ('stderr', 'kind'),
    [
        (f'{OPEN}Image is not in qcow2 format', 'ImageUnacceptable'),
        (f'{OPEN}L1 table is too large', 'ImageUnacceptable'),
        (
            'qemu-img: error while reading at byte 0: Input/output error',
            'ImageUnacceptable',
        ),
        (f'{OPEN}error connecting: Permission denied', 'StorageError'),
        (f'{OPEN}error connecting: Connection timed out', 'Unreachable'),
        (
            f'{OPEN}error reading header from a: No such file or directory',
            'StorageError',
        ),
        (
            'qemu-img: error while writing at byte 0: No space left on device',
            'StorageFull',
        ),
        (
            'qemu-img: error while writing at byte 0: Input/output error',
            'StorageError',
        ),
        (f"{OPEN}Unknown driver 'rbd'", 'ToolMissing'),
    ],
)
def test_a_failure_is_the_images_or_the_storages(fake, stderr, kind):
    fake.says(f'a warning\n{stderr}\n')
    with pytest.raises(errors.CowError) as caught:
        convert()
    assert type(caught.value).__name__.endswith(kind)
    assert 'd.conf' not in str(caught.value)
    assert 'json:' not in str(caught.value)


def test_qemus_own_words_are_in_the_error(fake):
    fake.says(f'{OPEN}L1 table is too large\n')
    with pytest.raises(errors.ImageUnacceptable) as caught:
        convert()
    assert 'L1 table is too large' in caught.value.reason
    assert 'Upload it anew' in caught.value.reason


def test_a_missing_tool_names_its_package(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    with pytest.raises(errors.ToolMissing, match='qemu-img') as caught:
        convert()
    assert 'Install ' in str(caught.value)


def test_it_works_in_a_thread(fake):
    fake.sees({'format': 'qcow2', 'virtual-size': 5})
    found = []
    thread = threading.Thread(
        target=lambda: found.append(converter().virtual_size(IMAGE, SOURCE))
    )
    thread.start()
    thread.join()
    assert found == [5]


def script(body):
    start = f"""
        import sys
        sys.path.insert(0, {str(ROOT)!r})
        from tests.unit.conversion.test_convert import *
    """
    code = textwrap.dedent(start) + textwrap.dedent(body)
    return [sys.executable, '-W', 'ignore', '-c', code]


def output(body):
    body = 'import eventlet; eventlet.monkey_patch()\n' + textwrap.dedent(body)
    done = subprocess.run(
        script(body), capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


def test_it_dies_with_a_process_that_is_killed(fake):
    fake.acts('exec sleep 60')
    with subprocess.Popen(script('convert()')) as parent:
        fake.pid()
        assert fake._state() != ''
        parent.send_signal(signal.SIGKILL)
    assert fake.is_gone()


def test_green_threads_go_on_meanwhile(fake):
    fake.acts('exec sleep 1')
    assert output("""
        import eventlet
        ticks = []
        def tick():
            while True:
                eventlet.sleep(0.02)
                ticks.append(1)
        eventlet.spawn(tick)
        convert()
        print(len(ticks) > 20)
    """) == ['True']


def test_it_ends_in_time_under_eventlet(fake):
    fake.acts('exec sleep 60')
    assert output("""
        limits = ConversionLimits(1, 9, 2**32)
        try:
            convert(limits)
        except errors.ConversionLimitExceeded as exc:
            print('cow_convert_seconds' in str(exc))
    """) == ['True']
    assert fake.is_gone()


def test_it_is_killed_with_a_greenlet_that_waits(fake):
    fake.acts('exec sleep 60')
    assert output(f"""
        import eventlet
        waiting = eventlet.spawn(convert)
        while not pathlib.Path({str(fake.folder / 'pid')!r}).exists():
            eventlet.sleep(0.02)
        waiting.kill()
        print('killed')
    """) == ['killed']
    assert fake.is_gone()
