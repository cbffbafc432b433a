# SPDX-License-Identifier: Apache-2.0
"""Which refusals are likely mistakes: as the rules and the documents say."""

import pathlib
import re

import pytest

from cinder_cow.backends.base import ImageBackend
from cinder_cow.model import RefusalCode, UnavailableReason
from cinder_cow.planning import plan
from tests.unit.planning.test_verdict import FSID, IMAGE, SEEN, changed, judged

PAGE = pathlib.Path(__file__).parents[3] / 'doc' / 'source' / 'decisions.rst'


def located(url):
    return judged(changed(IMAGE, locations=(url,)))


def found(reason):
    return judged(found=reason)


#: What leads to each refusal.
VERDICTS = {
    RefusalCode.NO_LOCATION: lambda: judged(changed(IMAGE, locations=())),
    RefusalCode.NOT_RBD: lambda: located('file:///i-1'),
    RefusalCode.MALFORMED_LOCATION: lambda: located('rbd://i-1'),
    RefusalCode.OTHER_CLUSTER: lambda: located('rbd://b/images/i-1/snap'),
    RefusalCode.POOL_NOT_ALLOWED: lambda: located(
        f'rbd://{FSID}/volumes/i-1/snap'
    ),
    RefusalCode.POOL_NOT_READABLE: lambda: found(UnavailableReason.DENIED),
    RefusalCode.POOL_MISSING: lambda: found(UnavailableReason.NO_POOL),
    RefusalCode.IMAGE_MISSING: lambda: found(UnavailableReason.NO_IMAGE),
    RefusalCode.SNAPSHOT_MISSING: lambda: found(UnavailableReason.NO_SNAPSHOT),
    RefusalCode.NOT_GLANCE_IMAGE: lambda: located(
        f'rbd://{FSID}/images/other/snap'
    ),
    RefusalCode.NOT_GLANCE_SNAPSHOT: lambda: located(
        f'rbd://{FSID}/images/i-1/other'
    ),
    RefusalCode.SNAPSHOT_UNPROTECTED: lambda: judged(
        found=changed(SEEN, protected=False)
    ),
    RefusalCode.NOT_RAW: lambda: judged(changed(IMAGE, disk_format='qcow2')),
    RefusalCode.CONTAINER_FORMAT: lambda: judged(
        changed(IMAGE, container_format='ovf')
    ),
    RefusalCode.SIGNED: lambda: judged(changed(IMAGE, signed=True)),
    RefusalCode.NOT_ACTIVE: lambda: judged(changed(IMAGE, status='queued')),
    RefusalCode.BACKEND_CANNOT_CLONE: lambda: ImageBackend.cloneable(
        None, IMAGE
    ),
}


def marks():
    """By code, whether the page marks it."""
    text = PAGE.read_text().partition('\nRefusal codes\n')[2]
    rows = re.findall(r'^   \* - ``([a-z-]+)``( ``!``)?$', text, re.M)
    return {RefusalCode(code): bool(mark) for code, mark in rows}


def refusal(code):
    if code is RefusalCode.REPLICATED:  # not of the verdict, but of the plan
        return plan.REPLICATED
    (only,) = VERDICTS[code]().refusals
    return only


@pytest.mark.parametrize('code', RefusalCode)
def test_likely_mistakes_are_those_that_the_documents_mark(code):
    assert refusal(code).code is code
    assert refusal(code).misconfigured is marks()[code]
