# SPDX-License-Identifier: Apache-2.0

"""Runs a program that may open almost nothing: the wall around qemu-img.

Started as a script of its own, by its path, with nothing of this package:

    python -I -S restricted_exec.py POLICY PROGRAM ARGUMENT...

POLICY is JSON, see `Policy`. It sets limits, has the program die with its
parent, shuts it in by Landlock (files, TCP ports, signals) and seccomp (what
Landlock does not cover), and then becomes the program. No privilege is
needed for any of that, and a container's usual profile allows it.

What the kernel lacks is left out; with `required` it is an error.
"""

import ctypes
import errno
import json
import os
import resource
import signal
import struct
import sys
from typing import Any, NoReturn, TypedDict

#: Begins the messages of this program, at the start of its standard error.
PREFIX = 'restricted_exec: '
#: The exit code with them.
FAILED = 125


class Policy(TypedDict):
    """What the program may use."""

    #: The process that it dies with.
    parent_pid: int
    cpu_seconds: int
    address_space_bytes: int
    #: False: limits only.
    confine: bool
    #: Fail where the kernel lacks what it takes.
    required: bool
    #: Files that may be executed.
    execute: list[str]
    #: Files, and folders with all that is in them. What does not exist is
    #: left out.
    read: list[str]
    read_write: list[str]
    #: TCP ports that may be connected to, from and to.
    ports: list[tuple[int, int]]


# linux/prctl.h
_PR_SET_PDEATHSIG = 1
_PR_SET_SECCOMP = 22
_PR_SET_NO_NEW_PRIVS = 38
_SECCOMP_MODE_FILTER = 2

# linux/landlock.h; the numbers of the calls are the same on all platforms.
_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION_FLAG = 1
_RULE_PATH, _RULE_PORT = 1, 2
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
#: Rights on files that each version of Landlock knows; the last counts on.
_FILE_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
_NET_VERSION, _SCOPE_VERSION = 4, 6
_BIND_TCP, _CONNECT_TCP = 1, 2
_SCOPE_ALL = 3  # abstract Unix sockets, and signals

_libc = ctypes.CDLL(None, use_errno=True)


class WallMissing(OSError):
    """The kernel has no Landlock or no seccomp, or it is turned off."""


def landlock_version() -> int:
    """Of the kernel's Landlock; 0 where there is none."""
    found = _libc.syscall(
        ctypes.c_long(_CREATE_RULESET),
        None,
        ctypes.c_size_t(0),
        ctypes.c_uint(_VERSION_FLAG),
    )
    return max(0, int(found))


def _checked(result: int, what: str) -> int:
    if result < 0:
        code = ctypes.get_errno()
        raise OSError(code, f'{what}: {os.strerror(code)}')
    return result


def _prctl(what: str, option: int, *arguments: Any) -> None:
    padded = (*arguments, *(0,) * (4 - len(arguments)))
    values = [
        ctypes.c_ulong(each) if isinstance(each, int) else each
        for each in padded
    ]
    _checked(_libc.prctl(ctypes.c_int(option), *values), what)


def _landlock(policy: Policy) -> None:
    version = landlock_version()
    if not version:
        raise WallMissing(
            errno.ENOSYS, 'the kernel has no Landlock, or it is turned off'
        )
    rights = (1 << _FILE_RIGHTS[min(version, 5)]) - 1
    ruleset = _new_ruleset(version, rights)
    read = _READ_FILE | _READ_DIR
    write = _WRITE_FILE | _TRUNCATE | _IOCTL_DEV
    for paths, allowed in (
        (policy['execute'], read | _EXECUTE),
        (policy['read'], read),
        (policy['read_write'], read | write),
    ):
        for path in paths:
            _allow_path(ruleset, path, allowed & rights)
    if version >= _NET_VERSION:
        for first, last in policy['ports']:
            for port in range(first, last + 1):
                rule = struct.pack('=QQ', _CONNECT_TCP, port)
                _add_rule(ruleset, _RULE_PORT, rule)
    _checked(
        _libc.syscall(
            ctypes.c_long(_RESTRICT_SELF),
            ctypes.c_int(ruleset),
            ctypes.c_uint(0),
        ),
        'landlock_restrict_self',
    )
    os.close(ruleset)


def _new_ruleset(version: int, rights: int) -> int:
    """It denies all that this version of Landlock knows."""
    values = [rights]
    if version >= _NET_VERSION:
        values.append(_BIND_TCP | _CONNECT_TCP)
    if version >= _SCOPE_VERSION:
        values.append(_SCOPE_ALL)
    attributes = struct.pack(f'={len(values)}Q', *values)
    return _checked(
        _libc.syscall(
            ctypes.c_long(_CREATE_RULESET),
            attributes,
            ctypes.c_size_t(len(attributes)),
            ctypes.c_uint(0),
        ),
        'landlock_create_ruleset',
    )


def _allow_path(ruleset: int, path: str, allowed: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # it is not there, or not for this user
    try:
        if not os.path.isdir(path):
            allowed &= ~_READ_DIR
        rule = struct.pack('=Qi', allowed, descriptor)
        _add_rule(ruleset, _RULE_PATH, rule)
    finally:
        os.close(descriptor)


def _add_rule(ruleset: int, kind: int, rule: bytes) -> None:
    _checked(
        _libc.syscall(
            ctypes.c_long(_ADD_RULE),
            ctypes.c_int(ruleset),
            ctypes.c_int(kind),
            rule,
            ctypes.c_uint(0),
        ),
        'landlock_add_rule',
    )


# By machine: AUDIT_ARCH, socket, clone, and what is denied. clone3 hides its
# flags from a filter: without it glibc uses clone. io_uring passes by a
# filter of calls. The rest is of no use to qemu-img: kill, tkill, signals by
# queue, ptrace, process_vm_*, kcmp, priorities and memory pages of processes,
# mounts and namespaces, keys, bpf, perf, userfaultfd, modules, kexec, reboot,
# swap, clocks, handles of files, chroot, acct.
_EVERYWHERE = (
    424, 425, 426, 427, 428, 429, 430, 431, 432, 433, 438, 440, 442,
)  # fmt: skip
_CLONE3 = 435
_MACHINES = {
    'x86_64': (0xC000003E, 41, 56, (
        62, 101, 129, 135, 141, 155, 161, 163, 164, 165, 166, 167, 168, 169,
        170, 171, 175, 176, 179, 200, 227, 246, 248, 249, 250, 251, 256, 272,
        279, 297, 298, 303, 304, 305, 308, 310, 311, 312, 313, 320, 321, 323,
    )),
    'aarch64': (0xC00000B7, 198, 220, (
        30, 39, 40, 41, 51, 60, 89, 92, 97, 104, 105, 106, 112, 117, 129, 130,
        138, 140, 142, 161, 162, 170, 217, 218, 219, 224, 225, 238, 239, 240,
        241, 264, 265, 266, 268, 270, 271, 272, 273, 280, 282, 294,
    )),
}  # fmt: skip
#: sendto, sendmsg, sendmmsg, and which argument has the flags. Landlock does
#: not see that one of them connects (TCP Fast Open).
_SENDING = {
    'x86_64': ((44, 3), (46, 2), (307, 3)),
    'aarch64': ((206, 3), (211, 2), (269, 3)),
}
_MSG_FASTOPEN = 0x20000000
#: prlimit64, sched_setaffinity, sched_setscheduler, sched_setparam,
#: sched_setattr: of the caller alone, which is 0.
_OF_CALLER = {
    'x86_64': (302, 203, 144, 142, 314),
    'aarch64': (261, 122, 119, 118, 274),
}
#: To threads of the program alone; abort() uses it.
_TGKILL = {'x86_64': 234, 'aarch64': 131}
#: IPv4, IPv6, netlink (which addresses this host has); and TCP and UDP (for
#: names of monitors) alone, so that no other protocol passes by Landlock. A
#: Unix socket leads to the services of this host.
_FAMILIES = (2, 10, 16)
_PROTOCOLS = (0, 6, 17)
_CLONE_NEW = 0x7E020080
_X32 = 0x40000000

# linux/filter.h, linux/seccomp.h
_LOAD, _EQUAL, _GREATER_EQUAL, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
#: Where they are in struct seccomp_data; of an argument, its lower half.
_NUMBER, _ARCH = 0, 4
_ARGUMENTS = (16, 24, 32, 40)


def _step(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack('=HBBI', code, if_true, if_false, value)


_ALLOWED = _step(_RETURN, _ALLOW)
_DENIED = _step(_RETURN, _ERRNO | errno.EPERM)
_NO_CALL = _step(_RETURN, _ERRNO | errno.ENOSYS)


def seccomp_filter(machine: str, own_pid: int) -> bytes | None:
    """The program for the kernel; None where the machine is not known.

    :param own_pid: of the process that it is for, also after an exec.
    """
    if machine not in _MACHINES:
        return None
    arch, socket, clone, denied = _MACHINES[machine]
    steps = [_step(_LOAD, _ARCH), _step(_EQUAL, arch, 1), _DENIED]
    steps += [_step(_LOAD, _NUMBER), _step(_GREATER_EQUAL, _X32, 0, 1)]
    steps.append(_DENIED)
    for number in (*denied, *_EVERYWHERE):
        steps += [_step(_EQUAL, number, 0, 1), _DENIED]
    steps += [_step(_EQUAL, _CLONE3, 0, 1), _NO_CALL]
    steps += _unless_bit(clone, 0, _CLONE_NEW)
    for number, argument in _SENDING[machine]:
        steps += _unless_bit(number, argument, _MSG_FASTOPEN)
    for number in _OF_CALLER[machine]:
        steps += _only_with(number, ((0, (0,)),))
    steps += _only_with(_TGKILL[machine], ((0, (own_pid,)),))
    steps += _only_with(socket, ((0, _FAMILIES), (2, _PROTOCOLS)))
    return b''.join((*steps, _ALLOWED))


def _unless_bit(number: int, argument: int, bits: int) -> list[bytes]:
    """Denies the call when the argument has one of the bits."""
    return [
        _step(_EQUAL, number, 0, 4),
        _step(_LOAD, _ARGUMENTS[argument]),
        _step(_ANY_BIT, bits, 0, 1),
        _DENIED,
        _ALLOWED,
    ]


def _only_with(
    number: int, wanted: tuple[tuple[int, tuple[int, ...]], ...]
) -> list[bytes]:
    """Denies the call unless each argument has one of its values."""
    body = []
    for argument, values in wanted:
        body.append(_step(_LOAD, _ARGUMENTS[argument]))
        for left, value in zip(range(len(values), 0, -1), values, strict=True):
            body.append(_step(_EQUAL, value, left))
        body.append(_DENIED)
    body.append(_ALLOWED)
    return [_step(_EQUAL, number, 0, len(body)), *body]


def _seccomp(_policy: Policy) -> None:
    program = seccomp_filter(os.uname().machine, os.getpid())
    if program is None:
        raise WallMissing(errno.ENOSYS, 'no seccomp filter for this machine')
    code = ctypes.create_string_buffer(program, len(program))
    header = struct.pack('@HP', len(program) // 8, ctypes.addressof(code))
    try:
        _prctl('PR_SET_SECCOMP', _PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, header)
    except OSError as exc:
        raise WallMissing(exc.errno, f'the kernel refused: {exc}') from exc


def _limit(policy: Policy) -> None:
    cpu, space = policy['cpu_seconds'], policy['address_space_bytes']
    # SIGXCPU, which says why, before SIGKILL.
    resource.setrlimit(resource.RLIMIT_CPU, (cpu, cpu + 5))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (space, space))


def _confine(policy: Policy) -> None:
    _prctl('PR_SET_NO_NEW_PRIVS', _PR_SET_NO_NEW_PRIVS, 1)
    for wall in (_landlock, _seccomp):
        try:
            wall(policy)
        except WallMissing:
            if policy['required']:
                raise


def _die_with(parent_pid: int) -> None:
    _prctl('PR_SET_PDEATHSIG', _PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent_pid:  # it was gone before
        os.kill(os.getpid(), signal.SIGKILL)


def main(policy: Policy, command: list[str]) -> NoReturn:
    """Becomes the program; it does not return."""
    try:
        _die_with(policy['parent_pid'])
        if policy['confine']:
            _confine(policy)
        _limit(policy)
        os.execv(command[0], command)
    except OSError as exc:
        os.write(2, f'{PREFIX}{exc}\n'.encode())
        os._exit(FAILED)


if __name__ == '__main__':
    main(json.loads(sys.argv[1]), sys.argv[2:])
