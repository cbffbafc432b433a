# SPDX-License-Identifier: Apache-2.0
"""A verifier of the signature that an image carries, by cursive."""

from typing import Any, cast

from cursive import exception as cursive_errors
from cursive import signature_utils

from cinder_cow import errors
from cinder_cow.transfer.verification import Verifier

#: Glance's properties of a signed image, which cursive names alike.
PROPERTIES = (
    'img_signature',
    'img_signature_hash_method',
    'img_signature_certificate_uuid',
    'img_signature_key_type',
)


def verifier(
    context: Any, image_id: str, properties: dict[str, Any]
) -> Verifier:
    """A verifier that has seen nothing yet.

    :param context: of the request: the certificate is fetched from the key
        manager with it.
    :raises SignatureInvalid: when the properties are not complete, or the
        certificate cannot be used.
    """
    missing = [name for name in PROPERTIES if not properties.get(name)]
    if missing:
        raise errors.SignatureInvalid(
            image_id, f'it is signed, but has no {", ".join(missing)}'
        )
    try:
        found = signature_utils.get_verifier(
            context=context, **{name: properties[name] for name in PROPERTIES}
        )
    except cursive_errors.SignatureVerificationError as exc:
        raise errors.SignatureInvalid(
            image_id, f'its certificate cannot be used: {exc}'
        ) from exc
    return cast(Verifier, found)
