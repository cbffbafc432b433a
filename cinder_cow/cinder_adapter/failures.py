# SPDX-License-Identifier: Apache-2.0
"""Our errors into Cinder's."""

from collections.abc import Iterator
import contextlib
from typing import Any

from cinder import exception
from cinder.message import api as message_api
from cinder.message import message_field
from oslo_log import log as logging

from cinder_cow import errors

LOG = logging.getLogger(__name__)

#: The first that fits: our error, Cinder's, and the message for the user.
#: For those without one Cinder itself has a message.
TRANSLATIONS = (
    (
        errors.ImageTooBig,
        lambda exc: exception.ImageTooBig(
            image_id=exc.image_id, reason=str(exc)
        ),
        message_field.Detail.NOT_ENOUGH_SPACE_FOR_IMAGE,
    ),
    (
        errors.ConversionDisabled,
        lambda exc: exception.ImageConversionNotAllowed(
            image_id=exc.image_id, reason=exc.reason
        ),
        None,
    ),
    (
        errors.SignatureInvalid,
        lambda exc: exception.ImageSignatureVerificationException(
            reason=str(exc)
        ),
        message_field.Detail.SIGNATURE_VERIFICATION_FAILED,
    ),
    (
        errors.ImageUnacceptable,
        lambda exc: exception.ImageUnacceptable(
            image_id=exc.image_id, reason=exc.reason
        ),
        message_field.Detail.IMAGE_FORMAT_UNACCEPTABLE,
    ),
    (
        errors.SourceUnreachable,
        lambda exc: exception.GlanceConnectionFailed(reason=str(exc)),
        None,
    ),
    (
        errors.SourceError,
        lambda exc: exception.ImageCopyFailure(reason=str(exc)),
        None,
    ),
    (
        errors.CopyTimedOut,
        lambda exc: exception.ImageCopyFailure(reason=str(exc)),
        None,
    ),
    (
        errors.CowError,
        lambda exc: exception.VolumeBackendAPIException(data=str(exc)),
        None,
    ),
)


@contextlib.contextmanager
def translated(context: Any, volume: Any) -> Iterator[None]:
    """Our errors into Cinder's, with the message that the user will see.

    Of Cinder's, ImageTooBig, ImageUnacceptable, ImageCopyFailure and those of
    signatures end the create; the others let it try another host.
    """
    try:
        yield
    except errors.CowError as exc:
        LOG.error('volume=%s %s', volume.id, exc)
        raise _translate(context, volume, exc) from exc


def _translate(context: Any, volume: Any, exc: errors.CowError) -> Exception:
    failed = type(exc)
    if isinstance(exc, errors.BuildFailed):  # as if it had failed here
        failed = getattr(errors, exc.kind, failed)
    make, detail = next(
        (make, detail)
        for kind, make, detail in TRANSLATIONS
        if issubclass(failed, kind)
    )
    raised = make(exc)
    if detail is not None:
        message_api.API().create(
            context,
            message_field.Action.COPY_IMAGE_TO_VOLUME,
            resource_uuid=volume.id,
            detail=detail,
            exception=raised,
        )
    return raised
