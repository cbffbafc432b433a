# SPDX-License-Identifier: Apache-2.0

"""What qemu-img may open: the cluster's ports, its conf and keyring.

This makes the policy; :mod:`cinder_cow.conversion.restricted_exec`, a script
of its own, enforces it on itself and then becomes qemu-img.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
import functools
import os
import pathlib
import re
import sys

from cinder_cow.backends.base_store import BlockDevice
from cinder_cow.conversion import restricted_exec

#: Of monitors (version 2 and 1 of the protocol) and of other daemons: Ceph's
#: own defaults, of which the last changed in Reef.
CEPH_PORTS = ((3300, 3300), (6789, 6789), (6800, 7568))

#: What is in these belongs to the distribution, and is no secret.
_LIBRARIES = ('/lib', '/lib64', '/usr/lib', '/usr/lib64', '/usr/local/lib')
_SYSTEM_FILES = (
    '/etc/ld.so.cache',
    # Names of monitors into addresses.
    '/etc/gai.conf',
    '/etc/host.conf',
    '/etc/hosts',
    '/etc/nsswitch.conf',
    '/etc/protocols',
    '/etc/resolv.conf',
    '/etc/services',
    # Cryptography.
    '/etc/crypto-policies',
    '/etc/gnutls/config',
    '/etc/pki/tls/openssl.cnf',
    '/etc/ssl/openssl.cnf',
    '/proc/sys/crypto/fips_enabled',
    '/usr/share/crypto-policies',
    # What there is of processors and memory.
    '/proc/cpuinfo',
    '/proc/meminfo',
    '/proc/self',
    '/proc/stat',
    '/proc/sys/vm/overcommit_memory',
    '/sys/devices/system/cpu',
    '/sys/devices/system/node',
    # Times of librados' messages.
    '/etc/localtime',
    '/usr/share/zoneinfo',
    '/dev/random',
    '/dev/urandom',
    '/dev/zero',
)
_ELF = b'\x7fELF'
_INTERPRETER = re.compile(rb'/lib[\w./-]*/ld[\w.-]*\.so[.\d]*\0')
#: Where librados looks when it is told of no file.
_CONFS = ('/etc/ceph/{cluster}.conf', '~/.ceph/{cluster}.conf')
_KEYRINGS = (
    '/etc/ceph/{cluster}.{name}.keyring',
    '/etc/ceph/{cluster}.keyring',
    '/etc/ceph/keyring',
    '/etc/ceph/keyring.bin',
)
_KEY_FILE = re.compile(r'^\s*(?:keyring|keyfile)\s*=\s*(.*?)\s*$', re.M)
_MON_HOST = re.compile(r'^\s*mon[ _-](?:host|addr)\s*=\s*(.*?)\s*$', re.M)
_BIND_PORT = re.compile(
    r'^\s*ms[ _-]bind[ _-]port[ _-](min|max)\s*=\s*(\d{1,5})\s*$', re.M
)
_PORT = re.compile(r':(\d{1,5})(?=[/\s,;\]]|$)')


@dataclass(frozen=True, slots=True)
class Confinement:
    """How qemu-img is shut in."""

    #: False only in tests of the other walls.
    on: bool = True
    #: Refuse to convert where the kernel lacks what it takes.
    required: bool = False
    #: TCP ports of the cluster, from and to. Those of ceph.conf are added:
    #: of `mon_host`, and from `ms_bind_port_min` to `ms_bind_port_max`.
    ports: tuple[tuple[int, int], ...] = CEPH_PORTS


def landlock_version() -> int:
    """Of this kernel: 0 is none; files from 1 on, TCP ports from 4 on."""
    return restricted_exec.landlock_version()


def launcher() -> tuple[str, ...]:
    """The command that takes a policy, a program and its arguments."""
    return (sys.executable, '-I', '-S', restricted_exec.__file__)


def policy(
    confinement: Confinement,
    program: str,
    devices: Iterable[BlockDevice],
    cpu_seconds: int,
    address_space_bytes: int,
) -> restricted_exec.Policy:
    """What the program may use for these devices.

    :param program: its path.
    """
    devices = list(devices)
    return {
        'parent_pid': os.getpid(),
        'cpu_seconds': cpu_seconds,
        'address_space_bytes': address_space_bytes,
        'confine': confinement.on,
        'required': confinement.required,
        'execute': _executables(os.path.realpath(program)),
        'read': [
            *_LIBRARIES,
            *_beside(program),
            *_SYSTEM_FILES,
            *(path for each in devices for path in _files(each)),
        ],
        'read_write': ['/dev/null', *_local(devices)],
        'ports': [
            *confinement.ports,
            *(ports for each in devices for ports in _conf_ports(each)),
        ],
    }


@functools.cache
def _executables(program: str) -> list[str]:
    """The program, and what the kernel starts it with."""
    found = [program]
    with open(program, 'rb') as opened:
        head = opened.read(2**16)
    if head.startswith(_ELF) and (match := _INTERPRETER.search(head)):
        found.append(os.path.realpath(match[0][:-1].decode()))
    return found


def _beside(program: str) -> list[str]:
    """Where a program that was installed elsewhere has its libraries."""
    folder = pathlib.Path(os.path.realpath(program)).parent.parent
    paths = os.environ.get('LD_LIBRARY_PATH', '').split(os.pathsep)
    beside = [str(folder / name) for name in ('lib', 'lib64', 'libexec')]
    return [*beside, *(each for each in paths if each.startswith('/'))]


def _local(devices: Iterable[BlockDevice]) -> Iterator[str]:
    """Files of this host that are devices by themselves."""
    for device in devices:
        if device.options['driver'] == 'file':
            yield device.options['filename']


def _files(device: BlockDevice) -> list[str]:
    """Its ceph.conf and the keyrings of its user."""
    if device.options['driver'] != 'rbd':
        return []
    names = _names(device)
    texts = [conf for path in _confs(device) if (conf := _text(path))]
    told = [each for text in texts for each in _KEY_FILE.findall(text)]
    from_environment = device.environment.get('CEPH_KEYRING', '')
    keyrings = [
        _expanded(path, names)
        for each in (from_environment, *told, *_KEYRINGS)
        for path in re.split(r'[,;\s]+', each.strip('"\''))
        if path
    ]
    return [*_confs(device), *(each for each in keyrings if each)]


def _names(device: BlockDevice) -> Mapping[str, str]:
    user = device.options.get('user', 'admin')
    return {
        'cluster': 'ceph',  # QEMU never says otherwise
        'name': f'client.{user}',
        'id': user,
        'type': 'client',
    }


def _confs(device: BlockDevice) -> list[str]:
    if 'conf' in device.options:
        return [device.options['conf']]
    return [_expanded(each, _names(device)) for each in _CONFS]


def _expanded(path: str, names: Mapping[str, str]) -> str:
    """With Ceph's $name and ${name} filled in, and our own {name}."""
    path = os.path.expanduser(path)
    for name, value in names.items():
        for form in (f'${{{name}}}', f'{{{name}}}', f'${name}'):
            path = path.replace(form, value)
    return path if path.startswith('/') else ''


def _text(path: str) -> str:
    try:
        return pathlib.Path(path).read_text(errors='replace')
    except OSError:
        return ''


def _conf_ports(device: BlockDevice) -> list[tuple[int, int]]:
    """Of the monitors and other daemons, as its ceph.conf says."""
    if device.options['driver'] != 'rbd':
        return []
    text = '\n'.join(map(_text, _confs(device)))
    monitors = {
        int(port)
        for told in _MON_HOST.findall(text)
        for port in _PORT.findall(told)
    }
    ranges = [(port, port) for port in sorted(monitors)]
    if bounds := {name: int(port) for name, port in _BIND_PORT.findall(text)}:
        default = {'min': CEPH_PORTS[-1][0], 'max': CEPH_PORTS[-1][1]}
        bounds = {**default, **bounds}
        ranges.append((bounds['min'], bounds['max']))
    return [each for each in ranges if 0 < each[0] <= each[1] < 2**16]
