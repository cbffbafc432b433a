# SPDX-License-Identifier: Apache-2.0

"""An image location's URL, read: a snapshot's name or a refusal. Pure."""

import re
import urllib.parse

from cinder_cow.model import Refusal, RefusalCode, SnapshotRef

SCHEME = 'rbd://'
#: fsid, pool, image, snapshot: glance_store, _drivers/rbd.py, StoreLocation.
PARTS = 4


def parse(url: str) -> SnapshotRef | Refusal:
    """The snapshot that a location names, whether it exists or not."""
    if not url.startswith(SCHEME):
        return _not_rbd(url)
    parts = [_unquote(part) for part in url[len(SCHEME) :].split('/')]
    names = [part for part in parts if part]
    if len(parts) != PARTS or len(names) != PARTS:
        return _malformed(url)
    return SnapshotRef(*names)


def label(url: str) -> str:
    """What may be shown of a location: of a foreign store its scheme alone.

    Its URL may carry credentials (swift, http).
    """
    found = parse(url)
    if isinstance(found, SnapshotRef):
        return str(found)
    scheme = _scheme(url)
    return f'{scheme}://...' if scheme else 'no URL'


def _unquote(part: str) -> str | None:
    """The part without its percent-quoting; None where it is no text."""
    try:
        text = urllib.parse.unquote(part, errors='strict')
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


def _not_rbd(url: str) -> Refusal:
    # Only the scheme is shown: a URL may carry credentials (swift, http).
    scheme = _scheme(url) or 'none'
    return Refusal(
        RefusalCode.NOT_RBD,
        f"The image lies in a store with URL scheme '{scheme}', not rbd",
        'Copy it into an rbd store of this cluster: glance image-import'
        ' --import-method copy-image --stores STORE IMAGE',
    )


def _scheme(url: str) -> str | None:
    # Only what is one: users may write locations, for a terminal too.
    found = re.match(r'([A-Za-z][A-Za-z0-9+.-]{0,15})://', url)
    return found[1] if found else None


def _malformed(url: str) -> Refusal:
    return Refusal(
        RefusalCode.MALFORMED_LOCATION,
        f'The location {url[:200]!r} is not rbd://FSID/POOL/IMAGE/SNAPSHOT',
        'Upload the image anew, so that Glance writes its location itself',
    )
