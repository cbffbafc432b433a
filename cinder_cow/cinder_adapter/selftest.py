# SPDX-License-Identifier: Apache-2.0
"""The self-test: each likely mistake of the set-up is one line in the log.

It runs beside the service once that has started: neither a Glance nor a Ceph
that does not answer delays the start.
"""

import functools

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.backends.base import CheckResult, Grade
from cinder_cow.cinder_adapter import (
    background,
    cinder_release,
    glance_selftest,
    records,
)
from cinder_cow.conversion import selftest as conversion

LOG = logging.getLogger(__name__)

#: cinder-volume reports itself up, and then this begins.
DELAY_SECONDS = 1


def start(parts, confinement, on_tested):
    """Have it done soon.

    :param parts: answers the parts of the backend.
    :param confinement: how qemu-img is shut in.
    :param on_tested: told in the end how many checks failed.
    """
    background.once(
        'run the self-test',
        functools.partial(_run, parts, confinement, on_tested),
        DELAY_SECONDS,
    )


def _run(parts, confinement, on_tested):
    difference = cinder_release.difference()
    if difference:
        LOG.info('self-test: %s', difference)
    failures = 0
    for answer in _answers(parts, confinement):
        records.check_result(answer)
        failures += answer.grade is Grade.FAIL
    on_tested(failures)


def _answers(parts, confinement):
    """Each when it is known: the storage may never answer."""
    seen = glance_selftest.look()
    yield from seen.answers
    yield from conversion.checks(confinement)
    try:
        yield from parts().backend.selftest(seen.examples)
    except errors.CowError as exc:
        yield CheckResult('Can the storage be asked', False, f'no: {exc}')
