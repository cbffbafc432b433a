# SPDX-License-Identifier: Apache-2.0
"""Digests, fed in order while the bytes are on their way."""

from collections.abc import Iterator

from cinder_cow.copying.blocks import Piece
from cinder_cow.copying.copy_state import Block, CopyState
from cinder_cow.copying.interfaces import Digest
from cinder_cow.copying.thread_pool import ThreadPool

#: Zeros are fed from here. A MiB takes sha512 2 ms: the change of threads is
#: lost in that.
_ZEROS = bytes(2**20)


def stage(digest: Digest, copy_state: CopyState) -> ThreadPool[Block]:
    """One thread that feeds one digest with the blocks that are put there.

    It waits for each to be filled, and takes over one share of it.
    """

    def see(block: Block) -> None:
        with block:
            for piece in block.wait():
                for content in contents(piece):
                    if copy_state.error is not None:
                        return
                    digest.update(content)

    return ThreadPool('digest', see, copy_state.fail)


def contents(piece: Piece) -> Iterator[bytes]:
    """The bytes of a piece, zeros in bounded parts."""
    if piece.content is not None:
        yield piece.content
        return
    for start in range(0, piece.length, len(_ZEROS)):
        yield _ZEROS[: piece.length - start]
