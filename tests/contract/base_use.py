# SPDX-License-Identifier: Apache-2.0
"""What every BaseStore keeps of the use of its bases.

Run on the fake and on the real one. A subclass gives the fixtures
``backend``, ``store`` and ``base``, which is finished and has no children.
"""


class BaseUseContract:
    def test_children_are_counted_until_they_are_gone(
        self, backend, store, base
    ):
        for number in range(3):
            store.clone(base, f'volume-{number}')
        assert store.children(base.name) == 3
        assert store.has_children(base.name)

        for number in range(3):
            assert store.children(base.name) == 3 - number
            backend.remove(f'volume-{number}')
        assert store.children(base.name) == 0
        assert not store.has_children(base.name)

    def test_what_there_is_not_has_no_children(self, store, base):
        assert store.children('cow-base-of-nothing') == 0

    def test_records_tell_of_a_base_and_its_images(self, store, base):
        store.used(base, 'image-2')

        assert store.recorded_bases() == store.stored_bases()
        (recorded,) = store.recorded_bases()
        assert (recorded.name, recorded.info) == (base.name, base.info)
        assert recorded.image_ids == {base.info.image_id, 'image-2'}

    def test_retired_base_is_not_listed_and_has_no_children(
        self, backend, store, base
    ):
        store.clone(base, 'volume-1')
        store.retire(base.name)

        assert store.recorded_bases() == []
        assert store.children(base.name) == 0
        assert store.purge() == []
        backend.remove('volume-1')
        assert len(store.purge()) == 1

    def test_notes_of_warming_are_kept_by_their_keys(self, store):
        assert store.warm_notes() == {}

        store.write_warm_notes({'a': 'one', 'b': 'two', 'c': 'täö'})
        store.write_warm_notes({'a': 'new', 'b': None, 'd': None})
        assert store.warm_notes() == {'a': 'new', 'c': 'täö'}

        store.write_warm_notes({'a': None, 'c': None})
        store.write_warm_notes({'a': None})
        assert store.warm_notes() == {}
