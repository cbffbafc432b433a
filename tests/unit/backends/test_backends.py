# SPDX-License-Identifier: Apache-2.0
import subprocess
import sys
import textwrap
from types import SimpleNamespace

import pytest

from cinder_cow import backends, errors

THIRD_PARTY = """
    from cinder_cow.backends import base

    class Tape(base.ImageBackend):
        @classmethod
        def from_options(cls, options):
            return cls()

        def exists(self, volume_name):
            raise NotImplementedError

        def open(self, volume_name, size_bytes):
            raise NotImplementedError

        def reopen(self, volume_name):
            raise NotImplementedError

        def grow(self, volume_name, size_bytes):
            raise NotImplementedError

        def remove(self, volume_name):
            raise NotImplementedError

    class Stranger:
        def __init__(self, settings):
            pass
"""
ENTRY_POINTS = """\
[cinder_cow.backends]
tape = tape:Tape
stranger = tape:Stranger
broken = tape:Missing
"""


@pytest.fixture
def third_party(tmp_path):
    """Another package's plugins; answers a runner of code that sees them."""
    (tmp_path / 'tape.py').write_text(textwrap.dedent(THIRD_PARTY))
    metadata = tmp_path / 'tape-1.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Name: tape\nVersion: 1\n')
    (metadata / 'entry_points.txt').write_text(ENTRY_POINTS)

    def run(code):
        path = [str(tmp_path), *sys.path]
        start = f'import sys; sys.path = {path!r}\n'
        return subprocess.run(
            [sys.executable, '-c', start + textwrap.dedent(code)],
            env={'HOME': str(tmp_path)},  # stevedore's cache of entry points
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.strip()

    return run


LOAD = """
    from types import SimpleNamespace
    from cinder_cow import backends, errors
    from cinder_cow.model import ImageInfo
    options = SimpleNamespace(cow_backend='NAME')
    image = ImageInfo('i-1', 'active', 'raw', 'bare')
    try:
        backend = backends.from_options(options)
        print(backend.cloneable(image).refusals[0].code.value)
    except errors.PluginNotLoadable as exc:
        print(exc)
"""


def test_third_party_registers_a_backend_by_entry_point(third_party):
    answer = third_party(LOAD.replace('NAME', 'tape')).split()

    assert answer == ['backend-cannot-clone']


@pytest.mark.parametrize(
    ('name', 'reason'),
    [('stranger', 'Stranger is no ImageBackend'), ('broken', 'Missing')],
)
def test_plugin_that_is_none_is_named(third_party, name, reason):
    answer = third_party(LOAD.replace('NAME', name))

    assert answer.startswith(f'cow_backend = {name} cannot be loaded')
    assert reason in answer


def test_unknown_backend_is_named_with_the_remedy():
    with pytest.raises(errors.PluginNotLoadable) as caught:
        backends.from_options(SimpleNamespace(cow_backend='rdb'))

    assert str(caught.value).startswith('cow_backend = rdb cannot be loaded')
    assert 'cinder_cow.backends' in str(caught.value)


def test_backend_without_the_clone_hook_says_so_to_a_caller_that_insists(
    backend,
):
    with pytest.raises(RuntimeError, match='MemoryBackend makes no clones'):
        super(type(backend), backend).clone_snapshot(None, 'volume-1')
