# SPDX-License-Identifier: Apache-2.0
"""What users and operators do to volumes. Each answers with its outcome."""

from collections.abc import Callable
from dataclasses import dataclass
import random

from chaos.api_calls import DONE, NOTHING, REFUSED, REIMAGE, ApiCalls
from chaos.history import Volume
from chaos.testbed import Testbed

#: More volumes are not made at a time.
MOST_VOLUMES = 20
MOST_GIB = 4


@dataclass(slots=True)
class Doing:
    """What an operation has at hand."""

    testbed: Testbed
    chooser: random.Random
    calls: ApiCalls


def create(doing: Doing) -> str:
    """A volume of an image."""
    testbed, calls = doing.testbed, doing.calls
    if len(testbed.history.volumes) >= MOST_VOLUMES:
        return delete(doing)
    project = doing.chooser.choice(sorted(testbed.clouds))
    image = doing.chooser.choice(
        [each for each in testbed.images if each.is_for(project)]
    )
    return calls.make(
        Volume('', project, image.content, 1), image_id=image.image_id
    )


def clone(doing: Doing) -> str:
    """A volume of a volume, or of a snapshot of one."""
    history = doing.testbed.history
    if len(history.volumes) >= MOST_VOLUMES:
        return delete(doing)
    with history.claimed(doing.chooser, _is_whole) as source:
        if source is None:
            return NOTHING
        origin, content = (
            {'source_volume_id': source.volume_id},
            source.content,
        )
        if source.snapshots and doing.chooser.random() < 0.5:
            snapshot = doing.chooser.choice(sorted(source.snapshots))
            origin = {'snapshot_id': snapshot}
            content = source.snapshots[snapshot]
        made = Volume(
            '', source.project, content, source.size_gib, source.backend
        )
        return doing.calls.make(made, **origin)


def delete(doing: Doing) -> str:
    """A volume without snapshots."""
    with doing.testbed.history.claimed(
        doing.chooser, lambda each: not each.snapshots
    ) as volume:
        if volume is None:
            return NOTHING
        return doing.calls.delete(volume)


def check(doing: Doing) -> str:
    """Whether a volume and its snapshots are still what they were."""
    with doing.testbed.history.claimed(doing.chooser, _is_whole) as volume:
        if volume is None:
            return NOTHING
        return doing.calls.check(volume)


def snapshot(doing: Doing) -> str:
    """A snapshot of a volume, or one less."""
    with doing.testbed.history.claimed(doing.chooser, _is_whole) as volume:
        if volume is None:
            return NOTHING
        if volume.snapshots:
            which = doing.chooser.choice(sorted(volume.snapshots))
            return doing.calls.delete_snapshot(volume, which)
        return doing.calls.snapshot(volume)


def extend(doing: Doing) -> str:
    """One GiB more."""
    with doing.testbed.history.claimed(
        doing.chooser,
        lambda each: _is_whole(each) and each.size_gib < MOST_GIB,
    ) as volume:
        if volume is None:
            return NOTHING
        new = volume.size_gib + 1
        outcome = doing.calls.act(
            volume, 'os-extend', {'new_size': new}, 'extend'
        )
        if outcome == DONE:
            volume.size_gib = new
            return doing.calls.check(volume)
        return outcome


def reimage(doing: Doing) -> str:
    """A volume gets another image; its snapshots stay."""
    with doing.testbed.history.claimed(
        doing.chooser, lambda each: _is_whole(each) and each.backend == 'cow'
    ) as volume:
        if volume is None:
            return NOTHING
        image = doing.chooser.choice(
            [
                each
                for each in doing.testbed.images
                if each.is_for(volume.project)
            ]
        )
        before, volume.content = volume.content, None
        outcome = doing.calls.act(
            volume,
            'os-reimage',
            {'image_id': image.image_id},
            REIMAGE,
            version='3.68',
        )
        if outcome == REFUSED:  # nothing has begun
            volume.content = before
        if outcome == DONE:
            volume.content = image.content
            return doing.calls.check(volume)
        return outcome


def retype(doing: Doing) -> str:
    """A volume moves to the other backend."""
    with doing.testbed.history.claimed(
        doing.chooser, lambda each: _is_whole(each) and not each.snapshots
    ) as volume:
        if volume is None:
            return NOTHING
        new = 'upstream' if volume.backend == 'cow' else 'cow'
        outcome = doing.calls.act(
            volume,
            'os-retype',
            {'new_type': new, 'migration_policy': 'on-demand'},
            'retype',
        )
        volume.backend = doing.calls.backend(volume)
        return outcome if outcome != DONE else doing.calls.check(volume)


def evict(doing: Doing) -> str:
    """A base goes, be there volumes of it or not."""
    bases = sorted(doing.testbed.pools['cow'].bases())
    if not bases:
        return NOTHING
    base = doing.chooser.choice(bases)
    return doing.calls.command('base', 'evict', '--retire', base)


def sweep(doing: Doing) -> str:
    """All bases without children go."""
    return doing.calls.command('base', 'sweep', '--max-idle-seconds', '0')


def _is_whole(volume: Volume) -> bool:
    return volume.content is not None


#: How often each is chosen, beside the others.
OPERATIONS: dict[Callable[[Doing], str], float] = {
    create: 8,
    clone: 1,
    delete: 5,
    check: 2,
    snapshot: 1.5,
    extend: 0.7,
    reimage: 0.7,
    retype: 0.2,
    evict: 0.5,
    sweep: 0.3,
}
