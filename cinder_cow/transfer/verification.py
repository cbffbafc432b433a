# SPDX-License-Identifier: Apache-2.0
"""Checks of the bytes of a copy: hash, signature, format."""

import hashlib
from typing import Any, Protocol

from cinder_cow import errors
from cinder_cow.conversion import detection
from cinder_cow.copying import Digest
from cinder_cow.model import ImageInfo, Verification


class Verifier(Protocol):
    """The verifier of a signature, as cursive makes it."""

    def update(self, data: bytes, /) -> None:
        """Add the next bytes."""

    def verify(self) -> None:
        """:raises Exception: when the signature does not hold."""


class ContentChecks:
    """Whether the bytes of one copy are the image's: gets all of them."""

    def __init__(
        self,
        image: ImageInfo,
        source: str,
        verifier: Verifier | None,
        hashed: bool,
        require_hash: bool,
    ) -> None:
        """:param hashed: whether to hash, if Glance has a hash.

        :raises ImageUnacceptable: when a hash is required and there is none.
        """
        self._image = image
        self._source = source
        self._verifier = verifier
        self._hash: Any = None
        self._expected: str | None = None
        self.verification = Verification.ABSENT
        if hashed or require_hash:
            self._choose()
        if require_hash and self._hash is None:
            raise errors.ImageUnacceptable(
                image.image_id,
                'Glance has no hash of it that is known here, and'
                ' cow_require_hash is on. Upload it anew, or turn that off',
            )

    @property
    def digests(self) -> list[Digest]:
        """What has to get every byte, in order."""
        return [each for each in (self._hash, self._verifier) if each]

    def conclude(self) -> None:
        """Compare the results, after the last byte.

        :raises SourceDamaged: when the hash is another.
        :raises SignatureInvalid: when the signature does not hold.
        """
        if self._hash is not None:
            found = self._hash.hexdigest()
            if found != self._expected:
                raise errors.SourceDamaged(
                    self._source,
                    self._image.image_id,
                    f'its {self._hash.name} is {found}, and Glance records'
                    f' {self._expected}',
                )
        if self._verifier is not None:
            self._verify(self._verifier)

    def inspect(self, head: bytes) -> None:
        """Called with the first bytes, before anything is written.

        :raises ImageUnacceptable: when they begin another format.
        """
        found = detection.containers(head)
        if found - {self._image.disk_format}:
            raise errors.ImageUnacceptable(
                self._image.image_id,
                f'it is declared {self._image.disk_format}, and its content'
                f' is {", ".join(sorted(found))}. Upload it with its true'
                f' disk format',
            )

    def _choose(self) -> None:
        image = self._image
        found = _hash_of(image.hash_algo or '')
        if image.hash_value and found is not None:
            self._hash = found
            self._expected = image.hash_value.lower()
            self.verification = Verification.HASH
        elif image.checksum:
            # Not for safety against people: Glance has nothing better here.
            self._hash = hashlib.new('md5', usedforsecurity=False)
            self._expected = image.checksum.lower()
            self.verification = Verification.CHECKSUM

    def _verify(self, verifier: Verifier) -> None:
        try:
            verifier.verify()
        except Exception as exc:  # noqa: BLE001  each key type has its own
            raise errors.SignatureInvalid(
                self._image.image_id,
                f'its signature does not hold ({type(exc).__name__}). Upload'
                f' and sign it anew',
            ) from exc


def _hash_of(algo: str) -> Any:
    """A new hash of that name as OpenSSL takes it, also `SHA512`, or None."""
    try:
        found = hashlib.new(algo)
    except ValueError:
        return None
    return found if found.digest_size else None  # shake_* have no one length
