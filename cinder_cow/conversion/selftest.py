# SPDX-License-Identifier: Apache-2.0

"""Whether images can be converted on this host, and behind which walls."""

import json

from oslo_concurrency import processutils

from cinder_cow import errors
from cinder_cow.backends.base import CheckResult
from cinder_cow.conversion import confinement, qemu_errors, qemu_img
from cinder_cow.conversion.confinement import Confinement

#: It is not there; which error QEMU has for it is what is asked.
_NO_DEVICE = 'json:{"driver":"rbd","pool":"p","image":"i","conf":"/dev/null"}'
_PROBE_SECONDS = 30
_MEMORY_BYTES = 4 * 2**30
_PORTS_VERSION = 4


def checks(shut_in: Confinement | None = None) -> list[CheckResult]:
    """Its answers, found out at start-up."""
    shut_in = shut_in or Confinement()
    return [_can_convert(shut_in), _is_confined(shut_in)]


def _can_convert(shut_in: Confinement) -> CheckResult:
    question = 'Can images be converted here'
    try:
        said = _said(shut_in)
        if qemu_errors.NO_RBD in said:
            raise errors.ToolMissing(
                "QEMU's driver for RBD", qemu_errors.PACKAGES['rbd']
            )
    except errors.ToolMissing as exc:
        return CheckResult(
            question,
            False,
            f'no, {exc.reason}: volumes of qcow2 and vmdk images and the like'
            f' fail',
            exc.remedy.rstrip('.'),
        )
    if qemu_errors.RBD.search(said) is None:
        # Not even its driver for RBD was reached: it does not run at all.
        return CheckResult(
            question,
            False,
            f'no, qemu-img says: {errors.printable(said)}',
            'See why it does not run as the user of cinder-volume:'
            ' qemu-img --version',
        )
    return CheckResult(question, True, 'yes')


def _said(shut_in: Confinement) -> str:
    """By qemu-img, of an image that is not there."""
    program = qemu_img.path()
    policy = confinement.policy(
        shut_in, program, [], _PROBE_SECONDS, _MEMORY_BYTES
    )
    _, said = processutils.execute(
        *confinement.launcher(),
        json.dumps({**policy, 'required': False}),
        program,
        'info',
        _NO_DEVICE,
        env_variables=qemu_img.environment({}),
        check_exit_code=False,
        timeout=_PROBE_SECONDS,
    )
    return str(said)


def _is_confined(shut_in: Confinement) -> CheckResult:
    question = 'Is qemu-img confined to the Ceph cluster'
    version = confinement.landlock_version()
    remedy = (
        'Boot a kernel with Landlock, and "landlock" in its parameter lsm=;'
        ' let the container use it'
    )
    if not version:
        effect = (
            'no image that has to be converted can be used, as'
            ' cow_require_confinement is on'
            if shut_in.required
            else 'the checks of an image are the only walls'
        )
        answer = f'no, this kernel has no Landlock: {effect}'
        return CheckResult(
            question, False, answer, remedy, minor=not shut_in.required
        )
    if version < _PORTS_VERSION:
        answer = (
            'its files are, and its connections are not: Landlock has no'
            ' rules for TCP ports before Linux 6.7'
        )
        return CheckResult(
            question, False, answer, 'Use a newer kernel', minor=True
        )
    return CheckResult(question, True, 'yes')
