# SPDX-License-Identifier: Apache-2.0
import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.model import (
    Base,
    BuildBase,
    Clone,
    CloneBase,
    Delegate,
    Method,
    Refusal,
    RefusalCode,
    Snapshot,
    SnapshotRef,
    Stream,
    Target,
    Verdict,
)
from cinder_cow.planning import plan
from cinder_cow.planning.plan import BaseFacts, BaseRule
from tests.fakes.bases import info

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

    assert caught.value.image_id == image.image_id
    assert caught.value.image_bytes == GIB + 1
    assert str(GIB + 1) in str(caught.value)
    assert str(GIB) in str(caught.value)
    assert 'at least 2 GiB' in str(caught.value)


@pytest.mark.parametrize('rule', BaseRule)
def test_size_that_glance_records_does_not_decide(image, rule):
    # Nova's direct snapshots have size 0 there; the parent itself counts.
    claimed = dataclasses.replace(image, size_bytes=0)
    verdict = Verdict(parent(2 * GIB))

    with pytest.raises(errors.ImageTooBig, match=image.image_id):
        plan.choose(claimed, TARGET, verdict, BaseFacts(rule))


@pytest.mark.parametrize('disk_format', ['raw', 'iso', 'gpt'])
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


def base(size_bytes=GIB):
    return Base('cow-base-x', parent(size_bytes), info())


FOREIGN = Verdict(refusals=(REFUSAL,))
CLONEABLE = Verdict(parent(GIB))
LIMIT = GIB // 2


def chosen(image, verdict, rule, found=None, target=TARGET):
    facts = BaseFacts(rule, LIMIT, found)
    return plan.choose(image, target, verdict, facts)


def sized(image, size_bytes, disk_format='raw'):
    return dataclasses.replace(
        image, size_bytes=size_bytes, disk_format=disk_format
    )


CONVERTED = ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop']


@pytest.mark.parametrize('rule', [BaseRule.AUTO, BaseRule.ALWAYS])
@pytest.mark.parametrize('disk_format', CONVERTED)
def test_image_that_is_to_be_converted_gets_a_base(image, rule, disk_format):
    # However large the file is: what it holds is checked when it is built.
    image = sized(image, 5 * GIB, disk_format)

    assert chosen(image, FOREIGN, rule) == BuildBase(GIB, (REFUSAL,))


@pytest.mark.parametrize('disk_format', ['raw', 'iso', 'gpt', *CONVERTED])
@pytest.mark.parametrize('rule', [BaseRule.AUTO, BaseRule.ALWAYS])
def test_base_that_is_there_is_cloned(image, rule, disk_format):
    image = sized(image, 1, disk_format)

    wanted = CloneBase(base(), GIB, (REFUSAL,))
    assert chosen(image, FOREIGN, rule, base()) == wanted


@pytest.mark.parametrize(
    ('size_bytes', 'wanted'),
    [
        (LIMIT, BuildBase(GIB, (REFUSAL,))),
        (LIMIT + 1, Stream(GIB, (REFUSAL,))),
    ],
)
def test_auto_bases_raw_images_up_to_the_limit(image, size_bytes, wanted):
    image = sized(image, size_bytes)

    assert chosen(image, FOREIGN, BaseRule.AUTO) == wanted


def test_large_raw_image_is_cloned_from_a_base_that_is_there(image):
    image = sized(image, LIMIT + 1)

    found = chosen(image, FOREIGN, BaseRule.AUTO, base())

    assert found == CloneBase(base(), GIB, (REFUSAL,))


def test_always_bases_large_raw_images_and_cloneable_ones(image):
    image = sized(image, LIMIT + 1)

    for verdict in (FOREIGN, CLONEABLE):
        found = chosen(image, verdict, BaseRule.ALWAYS)
        assert found == BuildBase(GIB, verdict.refusals)


@pytest.mark.parametrize('rule', BaseRule)
def test_cloneable_image_of_unknown_size_is_cloned_by_any_rule(image, rule):
    """Nova's snapshots: librbd alone knows how large they are."""
    found = chosen(sized(image, 0), CLONEABLE, rule)

    assert found == Clone(parent(GIB), GIB)


def test_base_of_exactly_the_volumes_size_is_planned(image):
    image = sized(image, GIB)

    for found in (None, base(GIB)):
        assert chosen(image, FOREIGN, BaseRule.ALWAYS, found)


def test_auto_clones_in_place_also_beside_a_base(image):
    found = chosen(image, CLONEABLE, BaseRule.AUTO, base())

    assert found == Clone(parent(GIB), GIB)


@pytest.mark.parametrize(
    ('disk_format', 'wanted'),
    [('raw', Stream(GIB, (REFUSAL,))), ('qcow2', Delegate((REFUSAL,)))],
)
def test_never_makes_no_base(image, disk_format, wanted):
    image = sized(image, 1, disk_format)

    assert chosen(image, FOREIGN, BaseRule.NEVER) == wanted
    assert not plan.may_have_base(image, BaseRule.NEVER)


@pytest.mark.parametrize('rule', BaseRule)
@pytest.mark.parametrize(
    ('changed', 'wanted'),
    [
        ({'size_bytes': 0}, Stream(GIB, (REFUSAL,))),
        ({'size_bytes': 0, 'disk_format': 'qcow2'}, Delegate((REFUSAL,))),
        ({'disk_format': 'luks'}, Delegate((REFUSAL,))),
        ({'disk_format': 'ami'}, Delegate((REFUSAL,))),
        ({'container_format': 'ova'}, Delegate((REFUSAL,))),
        ({'status': 'deactivated'}, Delegate((REFUSAL,))),
    ],
)
def test_what_has_no_base_goes_as_before(image, rule, changed, wanted):
    image = dataclasses.replace(image, **changed)

    assert not plan.may_have_base(image, rule)
    assert chosen(image, FOREIGN, rule) == wanted


def test_base_that_does_not_fit_is_an_error_before_anything_is_made(image):
    image = sized(image, 1, 'qcow2')

    with pytest.raises(errors.ImageTooBig):
        chosen(image, FOREIGN, BaseRule.AUTO, base(GIB + 1))
    with pytest.raises(errors.ImageTooBig):
        chosen(sized(image, GIB + 1), FOREIGN, BaseRule.ALWAYS)


@pytest.mark.parametrize(
    ('planned', 'method', 'reason'),
    [
        (Clone(parent(GIB), GIB), Method.CLONE, 'cloneable'),
        (CloneBase(base(), GIB, ()), Method.CLONE_BASE, 'based'),
        (BuildBase(GIB, (REFUSAL, REFUSAL)), Method.BUILD_BASE, 'not-raw'),
        (Stream(GIB, (plan.REPLICATED,)), Method.STREAM, 'replicated'),
        (Delegate((REFUSAL,)), Method.DELEGATE, 'not-raw'),
    ],
)
def test_each_plan_has_a_word_and_a_reason(planned, method, reason):
    assert plan.method(planned) is method
    assert plan.reason(planned) == reason
