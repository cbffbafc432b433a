# SPDX-License-Identifier: Apache-2.0
"""The line of a volume says why; a likely mistake is a warning beside it."""

import logging

import pytest

from cinder_cow.cinder_adapter import records
from cinder_cow.model import ImageInfo, Refusal, RefusalCode, Verdict

IMAGE = ImageInfo('i-1', 'active', 'raw', 'bare')


def refusal(misconfigured):
    return Refusal(RefusalCode.NOT_RBD, 'reason', 'remedy', misconfigured)


@pytest.mark.parametrize(
    ('misconfigured', 'levels'), [(True, [logging.WARNING]), (False, [])]
)
def test_only_a_likely_mistake_is_a_warning(
    volume, caplog, misconfigured, levels
):
    records.warn(volume, IMAGE, Verdict(refusals=(refusal(misconfigured),)))

    assert [each.levelno for each in caplog.records] == levels
    for each in caplog.records:
        assert volume.id in each.message
        assert '(not-rbd): reason. remedy' in each.message


def test_mistake_beside_a_location_that_can_be_cloned_is_none(volume, caplog):
    verdict = Verdict(parent=object(), refusals=(refusal(True),))

    records.warn(volume, IMAGE, verdict)

    assert caplog.records == []
