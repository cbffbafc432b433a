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

from oslo_log import log as logging

from cinder_cow import errors
from cinder_cow.backends.base import ImageBackend
from cinder_cow.model import Clone
from cinder_cow.model import Delegate
from cinder_cow.model import ImageInfo
from cinder_cow.model import Method
from cinder_cow.model import Plan
from cinder_cow.model import Result
from cinder_cow.model import Target
from cinder_cow.model import Verdict
from cinder_cow.model import Verification

LOG = logging.getLogger(__name__)


def run(
    plan: Plan,
    image: ImageInfo,
    target: Target,
    backend: ImageBackend,
    finish: Callable[[], None],
) -> Result:
    """What was done for the volume.

    :param finish: completes a volume that has its content: QoS, replication.
        When it raises, the volume is removed and the error goes on.
    """
    match plan:
        case Clone():
            return _clone(plan, image, target, backend, finish)
        case Delegate():
            return _delegate(plan, image, target)


def _clone(
    plan: Clone,
    image: ImageInfo,
    target: Target,
    backend: ImageBackend,
    finish: Callable[[], None],
) -> Result:
    backend.clone(image, target.volume_name, Verdict(plan.parent))
    with _removed_on_failure(backend, target.volume_name):
        if plan.parent.size_bytes < plan.size_bytes:
            backend.grow(target.volume_name, plan.size_bytes)
        finish()
    return Result(
        volume_id=target.volume_id,
        image_id=image.image_id,
        method=Method.CLONE,
        reason='cloneable',
        verification=Verification.SHARED,
        parent=plan.parent.ref,
    )


def _delegate(plan: Delegate, image: ImageInfo, target: Target) -> Result:
    codes = dict.fromkeys(refusal.code.value for refusal in plan.refusals)
    return Result(
        volume_id=target.volume_id,
        image_id=image.image_id,
        method=Method.DELEGATE,
        reason=','.join(codes),
        verification=Verification.DELEGATED,
    )


@contextlib.contextmanager
def _removed_on_failure(
    backend: ImageBackend, volume_name: str
) -> Iterator[None]:
    try:
        yield
    except BaseException:  # also when the green thread is killed
        try:
            backend.remove(volume_name)
        except errors.CowError as exc:
            # The first error is the one to report; this one is told here.
            LOG.warning(
                'The unfinished volume %s is left behind: %s Deleting the'
                ' volume in Cinder removes it.',
                volume_name,
                exc,
            )
        raise
