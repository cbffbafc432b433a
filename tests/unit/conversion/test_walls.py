# SPDX-License-Identifier: Apache-2.0
"""Each of the three walls against the same attacks, the other two down.

With the real qemu-img, on local files. The first wall alone is in
test_vmdk.py too.
"""

import json
import os
import pathlib
import socket
import subprocess
import sys
import textwrap
import time

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import (
    confinement,
    header_check,
    qemu_img,
    qemu_info,
    restricted_exec,
)
from cinder_cow.conversion.confinement import Confinement
from cinder_cow.conversion.convert import (
    ConversionLimits,
    ConversionTrust,
    Converter,
)
from cinder_cow.model import ImageInfo
from tests.corpus import hostile, other_images, vmdk_images
from tests.corpus.content import Content

SECRET = b'TOP SECRET ' * 200
LIMITS = ConversionLimits(20, 20, 4 * 2**30)
NOT_CONFINED = Confinement(on=False)
CONFINED = Confinement(required=True)
#: Those of which QEMU 7.2 opens the file: seen with all walls down.
OPENED = [
    'vmdk of capacity 0, tabs',
    'vmdk of capacity 0, spaces',
    'vmdk of capacity 0, broken line',
    'vmdk of capacity 0, plain line',
    'vmdk of capacity 0, form feed',
    'vmdk of capacity 0, create type in lower case',
    'vmdk of capacity 0, comments first',
    'vmdk of text alone',
]


def image(disk_format='vmdk'):
    return ImageInfo('image-1', 'active', disk_format, 'bare')


@pytest.fixture
def secret(tmp_path):
    path = tmp_path / 'secret'
    path.write_bytes(SECRET)
    return path


@pytest.fixture
def attack(tmp_path, secret):
    """Makes the image of that name, and answers it as a device."""

    def make(name, path=secret):
        file = tmp_path / 'image'
        file.write_bytes(dict(vmdk_images.file_readers(path))[name])
        return BlockDevice({'driver': 'file', 'filename': str(file)}, {})

    return make


def node(device, driver='vmdk'):
    below = {f'file.{key}': each for key, each in device.options.items()}
    return f'json:{json.dumps({"driver": driver, "backing": None, **below})}'


def run(device, *arguments, shut_in, driver='vmdk', target=None):
    """qemu-img, past the first wall and the second."""
    name = node(device, driver)
    command = qemu_img.Command(
        image(), (arguments[0], *arguments[1:], name, *(target or ())),
        device, name,
    )  # fmt: skip
    return qemu_img.run(command, LIMITS, shut_in)


def stolen(device, tmp_path, shut_in):
    """What qemu-img converts it to."""
    target = tmp_path / 'target'
    target.write_bytes(bytes(2**20))
    into = BlockDevice({'driver': 'file', 'filename': str(target)}, {})
    names = node(device), node(into, 'raw').replace('"backing": null, ', '')
    command = qemu_img.Command(
        image(), ('convert', '-n', '-O', 'raw', *names), device, names[0],
        into, names[1],
    )  # fmt: skip
    qemu_img.run(command, LIMITS, shut_in)
    return target.read_bytes()


@pytest.mark.parametrize('name', OPENED)
def test_with_all_walls_down_the_file_is_stolen(attack, tmp_path, name):
    found = stolen(attack(name), tmp_path, NOT_CONFINED)
    assert found.startswith(SECRET[:512])


@pytest.mark.parametrize('name', OPENED)
def test_the_first_wall_holds_alone(attack, name):
    content = pathlib.Path(attack(name).options['filename']).read_bytes()
    with pytest.raises(errors.ImageUnacceptable):
        header_check.require_safe(image(), Content(content))


@pytest.mark.parametrize('name', OPENED)
def test_the_second_wall_holds_alone(attack, tmp_path, name):
    trust = ConversionTrust(confinement=NOT_CONFINED)
    target = tmp_path / 'target'
    target.write_bytes(bytes(2**20))
    into = BlockDevice({'driver': 'file', 'filename': str(target)}, {})
    with pytest.raises(errors.ImageUnacceptable):
        Converter(LIMITS, trust).convert(image(), attack(name), into)
    assert target.read_bytes() == bytes(2**20)


@pytest.mark.parametrize('name', OPENED)
def test_the_third_wall_holds_alone(attack, tmp_path, name):
    device = attack(name)
    with pytest.raises(errors.ImageUnacceptable, match='Permission denied'):
        stolen(device, tmp_path, CONFINED)
    assert (tmp_path / 'target').read_bytes() == bytes(2**20)


def test_a_file_of_the_host_can_be_read_without_the_third_wall(attack):
    device = attack(OPENED[0], '/etc/passwd')
    assert 'monolithicFlat' in run(device, 'info', shut_in=NOT_CONFINED)
    with pytest.raises(errors.ImageUnacceptable):
        run(device, 'info', shut_in=CONFINED)


def test_a_fifo_holds_nothing_up(attack, tmp_path):
    fifo = tmp_path / 'fifo'
    os.mkfifo(fifo)
    device = attack(OPENED[0], fifo)
    name = node(device)
    command = qemu_img.Command(image(), ('info', name), device, name)
    with pytest.raises(errors.ConversionLimitExceeded):
        qemu_img.run(command, ConversionLimits(1, 9, 2**32), NOT_CONFINED)
    started = time.monotonic()
    with pytest.raises(errors.ImageUnacceptable):
        qemu_img.run(command, LIMITS, CONFINED)
    assert time.monotonic() - started < LIMITS.seconds / 2


@pytest.mark.parametrize('name', sorted(other_images.REFERRING))
def test_the_second_wall_sees_other_files_in_other_formats(
    tmp_path, secret, name
):
    disk_format, driver, content = other_images.made(name, tmp_path, secret)
    file = tmp_path / 'image'
    file.write_bytes(content)
    device = BlockDevice({'driver': 'file', 'filename': str(file)}, {})
    trust = ConversionTrust(confinement=NOT_CONFINED)
    with pytest.raises(errors.ImageUnacceptable):
        Converter(LIMITS, trust).virtual_size(image(disk_format), device)


def test_the_choice_of_types_is_held_against_qemus_own_reading(tmp_path):
    file = tmp_path / 'image'
    subprocess.run(
        ['qemu-img', 'create', '-q', '-f', 'vmdk', file, '4M'], check=True
    )
    device = BlockDevice({'driver': 'file', 'filename': str(file)}, {})
    trust = ConversionTrust(('monolithicSparse',), NOT_CONFINED)
    assert Converter(LIMITS, trust).virtual_size(image(), device) == 2**22
    trust = ConversionTrust(('streamOptimized',), NOT_CONFINED)
    with pytest.raises(errors.ImageUnacceptable, match='vmdk_allowed_types'):
        Converter(LIMITS, trust).virtual_size(image(), device)


def test_a_description_without_end_is_not_read_into_memory(tmp_path):
    file = tmp_path / 'image'
    file.write_bytes(hostile.many_bitmaps(2000))
    device = BlockDevice({'driver': 'file', 'filename': str(file)}, {})
    with pytest.raises(errors.ImageUnacceptable, match='QEMU is too long'):
        Converter(LIMITS).virtual_size(image('qcow2'), device)
    file.write_bytes(hostile.many_bitmaps(3))
    assert Converter(LIMITS).virtual_size(image('qcow2'), device) == 2**30


RBD = BlockDevice({'driver': 'rbd', 'pool': 'p', 'image': 'i'}, {})
FORMAT = {'format': 'qcow2', 'virtual-size': 5}


@pytest.mark.parametrize(
    'more',
    [
        {'format': 'raw'},
        {'virtual-size': -1},
        {'virtual-size': '5'},
        {'virtual-size': True},
        {'backing-filename': '/etc/passwd'},
        {'full-backing-filename': '/etc/passwd'},
        {'filename': '/etc/passwd'},
        {'filename': 'json:{"driver":"file","filename":"/etc/passwd"}'},
        {'filename': 'json:{"driver":"rbd","pool":"p","image":"other"}'},
        {'filename': 'json:{"driver":"rbd","pool":"other","image":"i"}'},
        {'filename': 'json:{"driver":"qcow2","file":{"driver":"rbd"}}'},
        {'filename': 'json:{"driver":"rbd","pool":"p"}'},
        {'filename': 'json:[]'},
        {'filename': f'json:{"[" * 10**5}'},
        {'format-specific': {'data': {'data-file': 'x'}}},
        {'children': [{'info': {'filename': '/etc/passwd'}}]},
        {'children': [{'info': {'children': [{'filename': 5}]}}]},
    ],
)
def test_what_is_not_expected_of_qemu_is_refused(more):
    with pytest.raises(qemu_info.UnsafeImage):
        qemu_info.virtual_size(
            json.dumps({**FORMAT, **more}), 'qcow2', 'name', RBD, ()
        )


@pytest.mark.parametrize('output', ['', 'x', '[]', '5', '[' * 10**5])
def test_what_is_no_answer_of_qemu_is_refused(output):
    with pytest.raises(qemu_info.UnsafeImage):
        qemu_info.virtual_size(output, 'qcow2', 'name', RBD, ())


def test_the_source_itself_is_no_other_file():
    child = 'json:{"driver":"rbd","pool":"p","image":"i"}'
    whole = f'json:{{"driver":"qcow2","file":{child.removeprefix("json:")}}}'
    told = {
        **FORMAT,
        'filename': whole,
        'children': [{'name': 'file', 'info': {'filename': child}}],
    }
    assert qemu_info.virtual_size(json.dumps(told), 'qcow2', 'n', RBD, ()) == 5


PROBE = """
    import ctypes, os, socket, sys
    def tried(name, act):
        try:
            act()
        except OSError as exc:
            print(name, type(exc).__name__)
        else:
            print(name, 'done')
    def connected(port):
        reached(2, ('127.0.0.1', int(port)))
    def reached(family, address):
        with socket.socket(family) as opened:
            opened.settimeout(5)
            opened.connect(address)
    def ptraced():
        libc = ctypes.CDLL(None, use_errno=True)
        if libc.ptrace(16, os.getppid(), None, None):
            raise OSError(ctypes.get_errno(), 'ptrace')
    tried('passwd', lambda: open('/etc/passwd').close())
    tried('tmp', lambda: open(sys.argv[3], 'w').close())
    tried('list', lambda: os.listdir('/etc'))
    tried('shell', lambda: os.execv('/bin/sh', ['sh', '-c', 'echo out']))
    tried('allowed port', lambda: connected(sys.argv[1]))
    tried('other port', lambda: connected(sys.argv[2]))
    tried('unix', lambda: reached(1, '/run/dbus/system_bus_socket'))
    tried('raw', lambda: socket.socket(17, 3).close())
    tried('kill', lambda: os.kill(os.getppid(), 0))
    tried('ptrace', ptraced)
    tried('chroot', lambda: os.chroot('/'))
"""
#: Each call by its number on x86-64 and AArch64, and its arguments: denied.
CALLS = """
    import ctypes, errno, os, socket, sys
    libc = ctypes.CDLL(None, use_errno=True)
    libc.syscall.restype = ctypes.c_long
    arm = os.uname().machine == 'aarch64'
    parent, own, port = os.getppid(), os.getpid(), int(sys.argv[1])
    def called(name, numbers, *arguments):
        ctypes.set_errno(0)
        result = libc.syscall(
            ctypes.c_long(numbers[arm]), *map(ctypes.c_long, arguments)
        )
        code = errno.errorcode.get(ctypes.get_errno(), '')
        print(name, 'done' if result >= 0 else code)
    def sent(name, act):
        with socket.socket() as opened:
            try:
                act(opened)
            except OSError as exc:
                print(name, errno.errorcode[exc.errno])
            else:
                print(name, 'done')
    FAST, to = 0x20000000, ('127.0.0.1', port)
    sent('sendto', lambda it: it.sendto(b'x', FAST, to))
    sent('sendmsg', lambda it: it.sendmsg([b'x'], [], FAST, to))
    called('sendmmsg', (307, 269), -1, 0, 0, FAST)
    called('prlimit64', (302, 261), parent, 7, 0, 0)
    called('setpriority', (141, 140), 0, parent, 0)
    called('ioprio_set', (251, 30), 1, parent, 0)
    called('rt_sigqueueinfo', (129, 138), parent, 0, 0)
    called('rt_tgsigqueueinfo', (297, 240), parent, parent, 0, 0)
    called('migrate_pages', (256, 238), parent, 0, 0, 0)
    called('move_pages', (279, 239), parent, 0, 0, 0, 0, 0)
    called('sched_setaffinity', (203, 122), parent, 0, 0)
    called('sched_setscheduler', (144, 119), parent, 0, 0)
    called('sched_setparam', (142, 118), parent, 0)
    called('sched_setattr', (314, 274), parent, 0, 0)
    called('tgkill', (234, 131), parent, parent, 0)
    called('own tgkill', (234, 131), own, own, 0)
    called('own prlimit64', (302, 261), 0, 7, 0, 0)
    called('own sched_setaffinity', (203, 122), 0, 0, 0)
    called('own sendmmsg', (307, 269), -1, 0, 0, 0)
"""


def confined_python(arguments, ports, on=True, code=PROBE):
    """What Python can do in the place of qemu-img."""
    policy = confinement.policy(
        Confinement(on, on, ports), sys.executable, [], 20, 4 * 2**30
    )
    # Its own library, which qemu-img does not have.
    policy['read'] = [*policy['read'], sys.base_prefix, sys.prefix]
    done = subprocess.run(
        [*confinement.launcher(), json.dumps(policy), sys.executable, '-c']
        + [textwrap.dedent(code), *map(str, arguments)],
        capture_output=True, text=True, timeout=60, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return dict(line.rsplit(' ', 1) for line in done.stdout.splitlines())


def test_a_confined_program_can_only_reach_the_clusters_ports(tmp_path):
    with (
        socket.create_server(('127.0.0.1', 0)) as one,
        socket.create_server(('127.0.0.1', 0)) as other,
    ):
        ports = [each.getsockname()[1] for each in (one, other)]
        found = confined_python(
            [*ports, tmp_path / 'new'], ((ports[0], ports[0]),)
        )
    assert found.pop('allowed port') == 'done'
    assert set(found.values()) == {'PermissionError'}
    assert len(found) == 10
    assert not (tmp_path / 'new').exists()


def test_a_confined_program_reaches_no_port_by_tcp_fast_open(tmp_path):
    with socket.create_server(('127.0.0.1', 0)) as other:
        port = other.getsockname()[1]
        found = confined_python([port], (), code=CALLS)
        other.settimeout(0)
        with pytest.raises(BlockingIOError):
            other.accept()
    for name in ('sendto', 'sendmsg', 'sendmmsg'):
        assert found[name] == 'EPERM'
    assert found['own sendmmsg'] == 'EBADF'


def test_a_confined_program_changes_and_signals_no_other_process():
    found = confined_python([1], (), code=CALLS)
    own = {each: found.pop(each) for each in list(found) if 'own ' in each}
    assert set(found.values()) == {'EPERM'}
    assert len(found) == 15
    assert own['own tgkill'] == own['own prlimit64'] == 'done'
    assert own['own sched_setaffinity'] != 'EPERM'


def test_no_filter_is_made_for_a_machine_that_is_not_known():
    assert restricted_exec.seccomp_filter('vax', 1) is None
    assert len(restricted_exec.seccomp_filter('aarch64', 1)) % 8 == 0


def test_confinement_is_required_where_the_operator_says_so(
    attack, monkeypatch
):
    # A machine without it: the launcher is told so by a script before it.
    launcher = confinement.launcher()
    code = (
        'import runpy, sys; del sys.argv[0];'
        ' found = runpy.run_path(sys.argv[0], run_name="x");'
        ' found["_landlock"].__globals__["landlock_version"] = lambda: 0;'
        ' found["main"](__import__("json").loads(sys.argv[1]), sys.argv[2:])'
    )
    without = (*launcher[:-1], '-c', code, launcher[-1])
    monkeypatch.setattr(confinement, 'launcher', lambda: without)
    device = attack('vmdk with a parent')
    assert run(device, 'info', shut_in=Confinement())
    with pytest.raises(errors.ConfinementMissing, match='no Landlock'):
        run(device, 'info', shut_in=CONFINED)
