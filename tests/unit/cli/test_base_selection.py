# SPDX-License-Identifier: Apache-2.0
"""How people name a base."""

import pytest

from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.cli import base_selection
from cinder_cow.cli.base_selection import ShortNames
from cinder_cow.cli.failures import CommandFailed
from tests.fakes.bases import MemoryBases

FIRST = f'cow-base-qcow2-sha512-{"0123456789abcdef" * 8}'
SECOND = FIRST.replace('456789', '45678f')
ID = '11111111-2222-3333-4444-555555555555'
SIGNATURE = f'{"9" * 31}0'


@pytest.fixture
def store(backend):
    store = MemoryBases(backend)
    for name in (FIRST, SECOND):
        store.add(name)
    return store


@pytest.mark.parametrize(
    ('name', 'short'),
    [
        (FIRST, 'qcow2-01234567'),
        (f'{FIRST}-signed-{SIGNATURE}', 'qcow2-signed-99999999'),
        (f'cow-base-raw-image-{ID}', 'raw-11111111'),
        (f'cow-base-raw-image-{ID}-{"ab" * 16}', 'raw-11111111'),
        (f'cow-base-raw-image-{ID}-any-location', 'raw-any-location-11111111'),
        (f'cow-retired-{ID}', 'retired-11111111'),
    ],
)
def test_short_form_is_the_format_and_the_first_digits(name, short):
    assert ShortNames([name]).of(name) == short


def test_short_form_has_as_many_digits_as_tell_bases_apart():
    short = ShortNames([FIRST, SECOND])

    assert short.of(FIRST) == 'qcow2-0123456789'
    assert short.of(SECOND) == 'qcow2-012345678f'


def test_short_forms_of_one_content_differ():
    """A base of each signature, and one without."""
    names = [FIRST, f'{FIRST}-signed-{SIGNATURE}', f'{FIRST}-any-location']

    short = ShortNames(names)

    assert len({short.of(name) for name in names}) == 3
    assert all(len(short.of(name)) < 40 for name in names)


@pytest.mark.parametrize(
    'text', [FIRST, FIRST[:33], 'qcow2-0123456789', 'qcow2-0123456789ab']
)
def test_any_beginning_that_means_one_base_is_taken(store, text):
    assert base_selection.find(store, text).name == FIRST


def test_whole_name_means_its_base_though_others_begin_so(store):
    store.add(f'{FIRST}-signed-{SIGNATURE}')

    assert base_selection.find(store, FIRST).name == FIRST


@pytest.mark.parametrize('text', ['qcow2-01234567', 'cow-base', 'q'])
def test_beginning_of_several_lists_them(store, text):
    with pytest.raises(CommandFailed) as caught:
        base_selection.find(store, text)

    assert str(caught.value) == (
        f'{text} means 2 base images: qcow2-0123456789, qcow2-012345678f.'
        f' Give more characters.'
    )


@pytest.mark.parametrize('text', ['', 'raw-', 'x'])
def test_beginning_of_none_is_an_error(store, text):
    with pytest.raises(CommandFailed, match='There is no base image'):
        base_selection.find(store, text)


def test_failed_build_is_found_by_its_short_form_too(store):
    name = FIRST.replace('qcow2', 'vmdk')
    store.set_build_record(name, BuildRecord(1, 'StorageFull', 'no room'))

    with pytest.raises(CommandFailed, match='last build failed: no room'):
        base_selection.find(store, 'vmdk-0123')


def test_base_whose_record_was_lost_meanwhile_is_found(store, monkeypatch):
    monkeypatch.setattr(store, 'recorded_bases', list)

    assert base_selection.find(store, FIRST).name == FIRST
