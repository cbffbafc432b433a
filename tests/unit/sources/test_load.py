# SPDX-License-Identifier: Apache-2.0
"""Which source is read: in the order given, a third party's too."""

import subprocess
import sys
import textwrap

import pytest

from cinder_cow import errors
from cinder_cow.model import Refusal, RefusalCode
from tests.fakes.source import MemorySource
from tests.unit.sources.filling import (
    AWAY,
    CONTENT,
    RecordingBackend,
    fails,
    fill,
)


@pytest.fixture
def backend():
    return RecordingBackend()


def refused(what):
    return [Refusal(RefusalCode.NOT_RBD, what, f'Mend {what}')]


def test_first_source_that_has_the_image_is_read(backend):
    sources = [
        MemorySource(refused('one'), name='one'),
        MemorySource(CONTENT, name='two'),
        MemorySource(CONTENT, name='three'),
    ]

    result = fill(backend, *sources)

    assert result.source == 'two'
    assert [each.opened for each in sources] == [1, 1, 0]


def test_all_refusals_are_named_where_no_source_has_it(backend):
    said = fails(
        errors.SourceUnreachable,
        backend,
        MemorySource(refused('one')),
        MemorySource(refused('two') + refused('three')),
    )
    assert 'one. Mend one; two. Mend two; three. Mend three' in said


def test_no_sources_are_named_by_their_option(backend):
    said = fails(errors.SourceUnreachable, backend)
    assert 'cow_sources is empty' in said


def test_source_that_cannot_be_opened_is_not_passed_over(backend):
    source, other = MemorySource(AWAY), MemorySource(CONTENT)

    fails(errors.SourceUnreachable, backend, source, other, retries=0)
    assert other.opened == 0


# A third party's, found by its entry point.

THIRD_PARTY = """
    from cinder_cow.sources import base

    class Reading(base.StreamReading):
        def chunks(self):
            yield from (b'tape ', b'at ', b'hand')

        def close(self):
            print('closed')

    class Tape(base.ImageSource):
        @classmethod
        def from_options(cls, options):
            return cls()

        def open(self, image, glance):
            return Reading('tape')

    class Stranger:
        def __init__(self, settings):
            pass
"""
ENTRY_POINTS = """\
[cinder_cow.sources]
tape = tape:Tape
stranger = tape:Stranger
"""
LOAD = """
    from cinder_cow import errors, sources
    from cinder_cow.model import *
    from tests.fakes.backend import MemoryBackend
    from types import SimpleNamespace
    from tests.fakes.request import nothing, run

    backend = MemoryBackend()
    image = ImageInfo('i-1', 'active', 'raw', 'bare', 12)
    target = Target('v-1', 'volume-v-1', 12)
    try:
        found = sources.from_options(SimpleNamespace(cow_sources=['NAME']))
        plan = Stream(12, ())
        done = run(plan, image, target, backend, nothing, found)
        print(f'source={done.source}')
        print(backend.volumes['volume-v-1'].decode())
    except errors.PluginNotLoadable as exc:
        print(exc)
"""


@pytest.fixture
def third_party(tmp_path):
    (tmp_path / 'tape.py').write_text(textwrap.dedent(THIRD_PARTY))
    metadata = tmp_path / 'tape-1.dist-info'
    metadata.mkdir()
    (metadata / 'METADATA').write_text('Name: tape\nVersion: 1\n')
    (metadata / 'entry_points.txt').write_text(ENTRY_POINTS)

    def load(name):
        path = [str(tmp_path), *sys.path]
        code = textwrap.dedent(LOAD).replace('NAME', name)
        return subprocess.run(
            [sys.executable, '-c', f'import sys; sys.path = {path!r}\n{code}'],
            env={'HOME': str(tmp_path)},  # stevedore's cache of entry points
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        ).stdout.splitlines()

    return load


def test_third_party_registers_a_source_by_entry_point(third_party):
    closed, result, content = third_party('tape')

    assert (closed, content) == ('closed', 'tape at hand')
    assert result == 'source=tape'


@pytest.mark.parametrize(
    ('name', 'reason'),
    [('stranger', 'Stranger is no ImageSource'), ('disk', 'disk')],
)
def test_plugin_that_is_no_source_is_named(third_party, name, reason):
    (said,) = third_party(name)

    assert said.startswith(f'cow_sources = {name} cannot be loaded')
    assert reason in said
