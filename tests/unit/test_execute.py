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
import pytest

from cinder_cow import errors
from cinder_cow.model import Clone
from cinder_cow.model import Delegate
from cinder_cow.model import Method
from cinder_cow.model import Refusal
from cinder_cow.model import RefusalCode
from cinder_cow.model import Target
from tests.fakes.work import nothing
from tests.fakes.work import run
from tests.unit.conftest import CONTENT

TARGET = Target('v-1', 'volume-v-1', 2 * len(CONTENT))


@pytest.fixture
def clone(backend, image):
    return Clone(backend.cloneable(image).parent, TARGET.size_bytes)


def test_clone_is_grown_to_the_volume(backend, image, clone):
    result = run(clone, image, TARGET, backend, nothing)

    grown = CONTENT + bytes(len(CONTENT))
    assert backend.volumes == {TARGET.volume_name: grown}
    assert result.method is Method.CLONE


def test_volume_is_finished_when_it_has_its_content(backend, image, clone):
    sizes = []

    def finish(_filled):
        sizes.append(len(backend.volumes[TARGET.volume_name]))

    run(clone, image, TARGET, backend, finish)

    assert sizes == [TARGET.size_bytes]


def test_clone_of_the_right_size_is_not_resized(backend, image):
    backend.failing = {'grow'}
    target = Target('v-1', 'volume-v-1', len(CONTENT))
    plan = Clone(backend.cloneable(image).parent, target.size_bytes)

    run(plan, image, target, backend, nothing)

    assert backend.volumes == {target.volume_name: CONTENT}


@pytest.mark.parametrize('method', ['clone', 'grow'])
def test_failure_leaves_nothing(backend, image, clone, method):
    backend.failing = {method}

    with pytest.raises(errors.StorageError, match=method):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {}


@pytest.mark.parametrize('kind', [ValueError, KeyboardInterrupt, SystemExit])
def test_failure_to_finish_leaves_nothing(backend, image, clone, kind):
    def finish(_filled):
        raise kind('injected')

    with pytest.raises(kind, match='injected'):
        run(clone, image, TARGET, backend, finish)
    assert backend.volumes == {}


def test_first_error_is_the_one_reported(backend, image, clone, caplog):
    backend.failing = {'grow', 'remove'}

    with pytest.raises(errors.StorageError, match='grow'):
        run(clone, image, TARGET, backend, nothing)
    assert 'volume-v-1 may be left behind: Could not remove' in caplog.text


def test_volume_that_was_there_before_is_not_removed(backend, image, clone):
    backend.volumes[TARGET.volume_name] = bytearray(b'precious')

    with pytest.raises(errors.VolumeExists):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {TARGET.volume_name: b'precious'}


@pytest.mark.parametrize('method', ['exists', 'clone', 'grow'])
def test_volume_that_was_there_before_outlives_any_failure(
    backend, image, clone, method
):
    backend.volumes[TARGET.volume_name] = bytearray(b'precious')
    backend.failing = {method}

    with pytest.raises(errors.CowError):
        run(clone, image, TARGET, backend, nothing)
    assert backend.volumes == {TARGET.volume_name: b'precious'}


def test_result_reads_as_one_line_of_keys_and_values(backend, image, clone):
    result = run(clone, image, TARGET, backend, nothing)

    assert str(result.lasting(0.0625)) == (
        'volume=v-1 image=11111111-2222-3333-4444-555555555555'
        ' method=clone reason=cloneable pool=images'
        ' parent=images/11111111-2222-3333-4444-555555555555@snap'
        ' seconds=0.062 bytes=0 source=- verification=shared'
    )


def test_delegation_touches_nothing_and_says_why(backend, image):
    refusals = tuple(
        Refusal(code, 'reason', 'remedy')
        for code in (
            RefusalCode.NOT_RBD,
            RefusalCode.OTHER_CLUSTER,
            RefusalCode.NOT_RBD,
        )
    )
    backend.failing = {'clone', 'open', 'grow', 'remove'}

    result = run(Delegate(refusals), image, TARGET, backend, nothing)

    assert result.method is Method.DELEGATE
    assert ' reason=not-rbd,other-cluster pool=- parent=-' in str(result)
