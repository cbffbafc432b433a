# Licensed under the Apache License, Version 2.0 (the "License"); you may
# not use this file except in compliance with the License. You may obtain
# a copy of the License at
#
#      http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing, software
# distributed under the License is distributed on an "AS IS" BASIS, WITHOUT
# WARRANTIES OR CONDITIONS OF ANY KIND, either express or implied. See the
# License for the specific language governing permissions and limitations
# under the License.
import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow import plan
from cinder_cow.model import Clone
from cinder_cow.model import Delegate
from cinder_cow.model import Refusal
from cinder_cow.model import RefusalCode
from cinder_cow.model import Snapshot
from cinder_cow.model import SnapshotRef
from cinder_cow.model import Stream
from cinder_cow.model import Target
from cinder_cow.model import Verdict

GIB = 2**30
TARGET = Target('v-1', 'volume-v-1', GIB)
REFUSAL = Refusal(RefusalCode.NOT_RAW, 'reason', 'remedy')


def parent(size_bytes):
    ref = SnapshotRef('f', 'images', 'i-1', 'snap')
    return Snapshot(ref, size_bytes, 2**22, True)


@pytest.mark.parametrize('size_bytes', [0, 1, GIB - 1, GIB])
def test_parent_that_fits_is_cloned(image, size_bytes):
    verdict = Verdict(parent(size_bytes), (REFUSAL,))

    assert plan.choose(image, TARGET, verdict) == Clone(
        parent(size_bytes), GIB
    )


def test_parent_one_byte_too_big_is_an_error_that_names_the_sizes(image):
    with pytest.raises(errors.ImageTooBig) as caught:
        plan.choose(image, TARGET, Verdict(parent(GIB + 1)))

    assert caught.value.image_bytes == GIB + 1
    assert str(GIB + 1) in str(caught.value)
    assert str(GIB) in str(caught.value)
    assert 'at least 2 GiB' in str(caught.value)


def test_size_that_glance_records_does_not_decide(image):
    # Nova's direct snapshots have size 0 there; the parent itself counts.
    claimed = dataclasses.replace(image, size_bytes=0)

    with pytest.raises(errors.ImageTooBig):
        plan.choose(claimed, TARGET, Verdict(parent(2 * GIB)))


@pytest.mark.parametrize('disk_format', ['raw', 'iso'])
def test_image_that_cannot_be_cloned_is_streamed(image, disk_format):
    image = dataclasses.replace(image, disk_format=disk_format)
    verdict = Verdict(refusals=(REFUSAL,))

    assert plan.choose(image, TARGET, verdict) == Stream(GIB, (REFUSAL,))


def test_stream_that_does_not_fit_is_an_error_too(image):
    image = dataclasses.replace(image, size_bytes=GIB + 1)

    with pytest.raises(errors.ImageTooBig):
        plan.choose(image, TARGET, Verdict(refusals=(REFUSAL,)))


@pytest.mark.parametrize(
    'changed',
    [
        {'disk_format': 'qcow2'},
        {'disk_format': 'vmdk'},
        {'container_format': 'ovf'},
        {'container_format': 'compressed'},
        {'status': 'deactivated'},
    ],
)
def test_image_whose_bytes_are_not_the_disks_is_left_to_cinder(image, changed):
    image = dataclasses.replace(image, **changed)
    verdict = Verdict(refusals=(REFUSAL,))

    assert plan.choose(image, TARGET, verdict) == Delegate((REFUSAL,))
