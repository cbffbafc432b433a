# SPDX-License-Identifier: Apache-2.0
"""Whatever URL a user has written as the location of an image."""

from hypothesis import example, given
from hypothesis import strategies as st

from cinder_cow.model import Refusal, RefusalCode, SnapshotRef
from cinder_cow.planning import location

URLS = st.one_of(
    st.text(),
    st.text().map('rbd://{}'.format),
    st.lists(st.text(max_size=9), min_size=3, max_size=5).map(
        lambda parts: 'rbd://' + '/'.join(parts)
    ),
    st.builds('{}://{}'.format, st.text(), st.text()),
)


@given(url=URLS)
@example('\x1b[2J\x1b]0;owned\x07://host/1')
@example('scheme-of-more-than-sixteen-letters://host/1')
@example('rbd://f/p/%1b[2J/snap')
@example('rbd://f/p/\ud800/snap')
def test_any_url_is_a_snapshot_or_a_refusal_that_can_be_printed(url):
    found = location.parse(url)

    if isinstance(found, SnapshotRef):
        names = (found.fsid, found.pool, found.image, found.snapshot)
        assert all(names)
        assert str(found).isprintable()
        return
    assert isinstance(found, Refusal)
    assert str(found).isprintable()
    assert len(found.reason) < 1200
    if found.code is RefusalCode.NOT_RBD:
        scheme = found.reason.split("'")[1]
        assert 1 <= len(scheme) <= 16
        assert scheme.isascii()
