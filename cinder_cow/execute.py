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
"""Carries a plan out, and owns the volume's life while it does.

The volume is made, completed and handed over; or it is removed and an error
is raised. Only what this call made is ever removed.
"""

from collections.abc import Callable
from collections.abc import Iterator
import contextlib
from dataclasses import dataclass
from typing import Any

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.backends.base import ImageBackend
from cinder_cow.backends.base import VolumeWriter
from cinder_cow.fill import Destination
from cinder_cow.fill import Filled
from cinder_cow.fill import Filler
from cinder_cow.fill import Request
from cinder_cow.model import Clone
from cinder_cow.model import Delegate
from cinder_cow.model import ImageInfo
from cinder_cow.model import Method
from cinder_cow.model import Plan
from cinder_cow.model import Refusal
from cinder_cow.model import Result
from cinder_cow.model import Stream
from cinder_cow.model import Target
from cinder_cow.model import Verification

LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Work:
    """What a plan is carried out with."""

    image: ImageInfo
    target: Target
    backend: ImageBackend
    #: Completes a volume that has its content: QoS, replication; told how
    #: it was filled, None for a clone. When it raises, a new volume is
    #: removed and the error goes on.
    finish: Callable[[Filled | None], None]
    filler: Filler
    request: Request


def run(plan: Plan, work: Work) -> Result:
    """What was done for the volume.

    :raises CowError: and whatever ``finish`` raises. The volume is gone then.
    """
    match plan:
        case Clone():
            return _clone(plan, work)
        case Stream():
            return _stream(plan, work)
        case Delegate():
            return _delegate(plan, work)


def _clone(plan: Clone, work: Work) -> Result:
    name = work.target.volume_name
    with _made_or_removed(work.backend, name):
        work.backend.clone(work.image, name)
        if plan.parent.size_bytes < plan.size_bytes:
            work.backend.grow(name, plan.size_bytes)
        work.finish(None)
    return _result(
        work,
        Method.CLONE,
        'cloneable',
        verification=Verification.SHARED,
        parent=plan.parent.ref,
    )


def _stream(plan: Stream, work: Work) -> Result:
    name = work.target.volume_name
    destination = Destination(
        _opener(work.backend, name, plan.size_bytes),
        plan.size_bytes,
        is_zero=True,
    )
    with _made_or_removed(work.backend, name):
        filled = work.filler.fill(work.image, work.request, destination)
        work.finish(filled)
    return _streamed(work, filled, plan.refusals)


def overwrite(work: Work) -> Result:
    """What was done to give a volume that is there the image's content.

    Its old bytes are gone, its snapshots stay. After an error it holds
    anything.

    :raises ImageTooBig: before a byte is written.
    """
    image, target = work.image, work.target
    if image.size_bytes > target.size_bytes:
        raise errors.ImageTooBig(
            image.image_id, image.size_bytes, target.size_bytes
        )
    destination = Destination(
        lambda: work.backend.reopen(target.volume_name),
        target.size_bytes,
        is_zero=False,
    )
    filled = work.filler.fill(image, work.request, destination)
    work.finish(filled)
    return _streamed(work, filled, ())


def _opener(
    backend: ImageBackend, volume_name: str, size_bytes: int
) -> Callable[[], VolumeWriter]:
    """Opens a new, empty volume; and another when it is called again."""
    opened = False

    def open_new() -> VolumeWriter:
        nonlocal opened
        if opened:
            backend.remove(volume_name)
        writer = backend.open(volume_name, size_bytes)
        opened = True
        return writer

    return open_new


def _delegate(plan: Delegate, work: Work) -> Result:
    return _result(
        work,
        Method.DELEGATE,
        _codes(plan.refusals),
        verification=Verification.DELEGATED,
        refusals=plan.refusals,
    )


def _streamed(
    work: Work, filled: Filled, refusals: tuple[Refusal, ...]
) -> Result:
    return _result(
        work,
        Method.STREAM,
        _codes(refusals) or 'reimage',
        verification=filled.verification,
        source=filled.source,
        refusals=refusals,
        bytes_copied=filled.bytes_copied,
    )


def _result(work: Work, method: Method, reason: str, **more: Any) -> Result:
    return Result(
        work.target.volume_id, work.image.image_id, method, reason, **more
    )


def _codes(refusals: tuple[Refusal, ...]) -> str:
    return ','.join(dict.fromkeys(each.code.value for each in refusals))


@contextlib.contextmanager
def _made_or_removed(
    backend: ImageBackend, volume_name: str
) -> Iterator[None]:
    if backend.exists(volume_name):
        raise errors.VolumeExists(backend.settings.pool, volume_name)
    # From here on, what is there is ours.
    try:
        yield
    except errors.VolumeExists:
        raise  # somebody was faster
    except BaseException:  # also when the green thread is killed
        _remove(backend, volume_name)
        raise


def _remove(backend: ImageBackend, volume_name: str) -> None:
    try:
        backend.remove(volume_name)
    except errors.CowError as exc:
        # The first error is the one to report; this one is told here.
        LOG.warning(
            'The unfinished volume %s may be left behind: %s If no volume'
            ' of Cinder uses it, remove it with `rbd rm`.',
            volume_name,
            exc,
        )
