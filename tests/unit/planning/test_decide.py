# SPDX-License-Identifier: Apache-2.0
"""Verdict, base and plan in one call, of a backend and bases in memory."""

import dataclasses

import pytest

from cinder_cow import errors
from cinder_cow.model import (
    BuildBase,
    Clone,
    CloneBase,
    Delegate,
    Stream,
    Target,
)
from cinder_cow.planning import plan
from cinder_cow.planning.decide import decide, decide_overwrite
from tests.fakes.bases import MemoryBases
from tests.unit.conftest import CONTENT

TARGET = Target('v-1', 'volume-v-1', 2 * len(CONTENT))


class Bases:
    """Whether one is looked for is in ``asked``."""

    def __init__(self, base=None, rule=plan.BaseRule.AUTO, may_convert=True):
        self.rule = rule
        self.auto_bytes = 2**30
        self.may_convert = may_convert
        self.asked = []
        self._base = base

    def find(self, image):
        self.asked.append(image.image_id)
        return self._base


@pytest.fixture
def base(backend):
    return MemoryBases(backend).add('cow-base-x', CONTENT)


@pytest.fixture
def qcow2(image):
    return dataclasses.replace(image, disk_format='qcow2')


def test_cloneable_image_is_planned_as_a_clone_of_its_parent(backend, image):
    decision = decide(image, TARGET, backend, Bases())

    assert decision.plan == Clone(decision.verdict.parent, TARGET.size_bytes)


@pytest.mark.parametrize(
    ('rule', 'looked'),
    [
        (plan.BaseRule.AUTO, False),
        (plan.BaseRule.NEVER, False),
        (plan.BaseRule.ALWAYS, True),
    ],
)
def test_base_is_looked_for_only_where_it_counts(backend, image, rule, looked):
    bases = Bases(rule=rule)

    decision = decide(image, TARGET, backend, bases)

    assert bool(bases.asked) == looked
    assert decision.bases.found is None


def test_no_base_is_looked_for_where_none_is_made(backend, qcow2):
    bases = Bases(rule=plan.BaseRule.NEVER)

    decide(qcow2, TARGET, backend, bases)

    assert bases.asked == []


def test_base_that_is_there_is_the_plan(backend, qcow2, base):
    decision = decide(qcow2, TARGET, backend, Bases(base))

    assert decision.bases.found is base
    assert decision.plan == CloneBase(
        base, TARGET.size_bytes, decision.verdict.refusals
    )


def test_base_that_is_not_there_is_built(backend, qcow2):
    decision = decide(qcow2, TARGET, backend, Bases())

    assert isinstance(decision.plan, BuildBase)


def test_conversion_is_refused_where_cinder_refuses_it(backend, qcow2):
    with pytest.raises(
        errors.ConversionDisabled, match=f"{qcow2.image_id}.*'qcow2'"
    ):
        decide(qcow2, TARGET, backend, Bases(may_convert=False))


def test_base_that_is_there_needs_no_conversion(backend, qcow2, base):
    bases = Bases(base, may_convert=False)

    assert isinstance(decide(qcow2, TARGET, backend, bases).plan, CloneBase)


def test_replicated_volume_of_a_raw_image_is_a_full_copy(backend, image):
    target = dataclasses.replace(TARGET, replicated=True)
    bases = Bases(rule=plan.BaseRule.ALWAYS)

    decision = decide(image, target, backend, bases)

    assert bases.asked == []
    assert isinstance(decision.plan, Stream)
    assert decision.plan.refusals == (plan.REPLICATED,)


def test_backend_without_bases_has_none(backend, image):
    away = dataclasses.replace(image, locations=())

    decision = decide(away, TARGET, backend, None)

    assert decision.bases == plan.NO_BASES
    assert isinstance(decision.plan, Stream)


# A volume that is there gets another image.


@pytest.mark.parametrize('rule', list(plan.BaseRule))
def test_disk_is_streamed_into_a_volume_that_is_there(image, rule):
    bases = Bases(rule=rule)

    assert decide_overwrite(image, TARGET, bases) == Stream(
        TARGET.size_bytes, ()
    )
    assert bases.asked == []


def test_other_formats_come_by_way_of_their_base(qcow2, base):
    size = TARGET.size_bytes

    assert decide_overwrite(qcow2, TARGET, Bases()) == BuildBase(size, ())
    assert decide_overwrite(qcow2, TARGET, Bases(base)) == CloneBase(
        base, size, ()
    )


@pytest.mark.parametrize('bases', [None, Bases(rule=plan.BaseRule.NEVER)])
def test_without_bases_other_formats_are_left_to_cinder(qcow2, bases):
    assert decide_overwrite(qcow2, TARGET, bases) == Delegate(())


def test_what_nobody_can_convert_here_is_left_to_cinder(image):
    packed = dataclasses.replace(image, container_format='compressed')

    assert decide_overwrite(packed, TARGET, Bases()) == Delegate(())


def test_volume_that_is_there_and_too_small_is_refused(image, qcow2, base):
    small = dataclasses.replace(TARGET, size_bytes=len(CONTENT) - 1)

    for asked in (image, qcow2):
        with pytest.raises(errors.ImageTooBig):
            decide_overwrite(asked, small, Bases(base))


def test_nothing_is_converted_where_that_is_forbidden(qcow2, base):
    forbidding = {'may_convert': False}

    with pytest.raises(errors.ConversionDisabled):
        decide_overwrite(qcow2, TARGET, Bases(**forbidding))
    assert decide_overwrite(qcow2, TARGET, Bases(base, **forbidding)) == (
        CloneBase(base, TARGET.size_bytes, ())
    )
