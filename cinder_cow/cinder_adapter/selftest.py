# SPDX-License-Identifier: Apache-2.0
"""The self-test: each likely mistake of the set-up is one line in the log.

It runs beside the service once that has started: neither a Glance nor a Ceph
that does not answer delays the start.
"""

import functools

from oslo_log import log as logging

from cinder_cow import errors
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


def start(parts, confinement):
    """Have it done soon.

    :param parts: answers the parts of the backend.
    :param confinement: how qemu-img is shut in.
    """
    background.once(
        'run the self-test',
        functools.partial(_run, parts, confinement),
        DELAY_SECONDS,
    )


def _run(parts, confinement):
    difference = cinder_release.difference()
    if difference:
        LOG.info('self-test: %s', difference)
    answer, examples = glance_selftest.glance_check()
    records.check_result(answer)
    for answer in conversion.checks(confinement):
        records.check_result(answer)
    try:
        for answer in parts().backend.selftest(examples):
            records.check_result(answer)
    except errors.CowError as exc:
        LOG.warning('self-test: the storage could not be asked: %s', exc)
