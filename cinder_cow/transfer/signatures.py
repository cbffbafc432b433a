# SPDX-License-Identifier: Apache-2.0
"""The verifier of an image's signature, by cursive."""

from collections.abc import Callable, Mapping
from typing import Any, cast

from castellan.common import exception as key_errors
from cryptography import exceptions as crypto_errors
from cursive import exception as cursive_errors
from cursive import signature_utils
from oslo_context import context as oslo_context

from cinder_cow import errors
from cinder_cow.planning import image_record
from cinder_cow.transfer.verification import Verifier

#: Glance's properties of a signed image, which cursive names alike.
PROPERTIES = (
    'img_signature',
    'img_signature_hash_method',
    'img_signature_certificate_uuid',
    'img_signature_key_type',
)


#: Errors of a certificate or a signature that cannot be parsed.
CERTIFICATE_ERRORS = (
    ValueError,
    TypeError,
    crypto_errors.UnsupportedAlgorithm,
    cursive_errors.CursiveException,
)


def require_complete(image_id: str, properties: Mapping[str, Any]) -> None:
    """See that there is all that a signature is verified by.

    :raises SignatureInvalid: when there is not.
    """
    missing = [name for name in PROPERTIES if not properties.get(name)]
    if missing:
        raise errors.SignatureInvalid(
            image_id, f'it is signed, but has no {", ".join(missing)}'
        )


def verifier(
    context: Any, image_id: str, properties: dict[str, Any]
) -> Verifier:
    """A new verifier of the image's signature.

    :param context: of the request: the certificate is fetched from the key
        manager with it.
    :raises SignatureInvalid: when the properties are not complete, or the
        certificate cannot be used.
    """
    require_complete(image_id, properties)
    try:
        found = signature_utils.get_verifier(
            context=context, **{name: properties[name] for name in PROPERTIES}
        )
    except Exception as exc:  # cryptography has errors of many kinds
        if _is_unanswered(exc):
            raise errors.SourceUnreachable(
                'the key manager', image_id, exc
            ) from exc
        raise errors.SignatureInvalid(
            image_id,
            f'its certificate cannot be used: {type(exc).__name__}: {exc}',
        ) from exc
    return cast(Verifier, found)


def of_record(
    session: Any, record: dict[str, Any]
) -> Callable[[], Verifier] | None:
    """Makes verifiers of an image in Glance's API; None: it is not signed.

    :param session: of the user that the certificate is fetched as.
    """
    if not image_record.signature_properties(record):
        return None

    def verifier_as_user() -> Verifier:
        user = oslo_context.RequestContext(
            auth_token=session.get_token(),
            user_id=session.get_user_id(),
            project_id=session.get_project_id(),
        )
        return verifier(user, record['id'], record)

    return verifier_as_user


def _is_unanswered(exc: Exception) -> bool:
    """Whether the key manager did not answer, which is not the image's fault.

    cursive raises one error for that and for a certificate that is missing.
    """
    cause = exc.__context__
    if isinstance(exc, cursive_errors.SignatureVerificationError):
        return isinstance(cause, key_errors.KeyManagerError) and not (
            isinstance(cause, key_errors.ManagedObjectNotFoundError)
        )
    return not isinstance(exc, CERTIFICATE_ERRORS)
