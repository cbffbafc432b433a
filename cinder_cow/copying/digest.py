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
"""Digests, fed in order while the bytes are on their way."""

from collections.abc import Iterator

from cinder_cow.copying.blocks import Piece
from cinder_cow.copying.copy_state import Block
from cinder_cow.copying.copy_state import Flight
from cinder_cow.copying.interfaces import Digest
from cinder_cow.copying.thread_pool import Crew

#: Zeros are fed from here. A MiB takes sha512 2 ms: the change of threads is
#: lost in that.
_ZEROS = bytes(2**20)


def stage(digest: Digest, flight: Flight) -> Crew[Block]:
    """One thread that feeds one digest with the blocks that are put there.

    It waits for each to be filled, and takes over one share of it.
    """

    def see(block: Block) -> None:
        with block:
            for piece in block.wait():
                for content in contents(piece):
                    if flight.error is not None:
                        return
                    digest.update(content)

    return Crew('digest', see, flight.fail)


def contents(piece: Piece) -> Iterator[bytes]:
    """The bytes of a piece, zeros in bounded parts."""
    if piece.content is not None:
        yield piece.content
        return
    for start in range(0, piece.length, len(_ZEROS)):
        yield _ZEROS[: piece.length - start]
