# SPDX-License-Identifier: Apache-2.0
"""Digests, updated in order while the blocks are written."""

from collections.abc import Iterator

from cinder_cow.copying.blocks import Piece
from cinder_cow.copying.copy_state import Block, CopyState
from cinder_cow.copying.interfaces import Digest
from cinder_cow.copying.thread_pool import ThreadPool

#: Digests are updated with zeros from here. A MiB takes sha512 2 ms, in which
#: a change of threads does not count.
_ZEROS = bytes(2**20)


def digest_thread(digest: Digest, copy_state: CopyState) -> ThreadPool[Block]:
    """A thread that updates one digest with the blocks that are put.

    It waits for each to be filled, and releases it then.
    """

    def update(block: Block) -> None:
        with block:
            for piece in block.wait():
                for content in contents(piece):
                    if copy_state.error is not None:
                        return
                    digest.update(content)

    return ThreadPool('digest', update, copy_state.fail)


def contents(piece: Piece) -> Iterator[bytes]:
    """The bytes of a piece, zeros in bounded parts."""
    if piece.content is not None:
        yield piece.content
        return
    for start in range(0, piece.length, len(_ZEROS)):
        yield _ZEROS[: piece.length - start]
