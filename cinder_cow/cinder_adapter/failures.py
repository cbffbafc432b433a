# SPDX-License-Identifier: Apache-2.0
"""Our errors into Cinder's."""

from collections.abc import Callable, Iterator
import contextlib
from typing import Any

from cinder import exception
from cinder.message import api as message_api
from cinder.message import message_field
from oslo_log import log as logging

from cinder_cow import errors

LOG = logging.getLogger(__name__)

#: The first that fits: our error, Cinder's, and the detail of the message for
#: the user. None: of a create the user is told that the driver failed.
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
        message_field.Detail.IMAGE_FORMAT_UNACCEPTABLE,
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
def translated(
    context: Any,
    volume: Any,
    on_failure: Callable[[Exception], None],
    reimage: bool = False,
) -> Iterator[None]:
    """Our errors into Cinder's, with the message that the user will see.

    Of Cinder's, ImageTooBig, ImageUnacceptable, ImageCopyFailure and those of
    signatures end the create; the others let it try another host.

    :param on_failure: told of every error, also of Cinder's own.
    :param reimage: whether the volume was there before.
    """
    try:
        yield
    except errors.CowError as exc:
        LOG.error('volume=%s %s', volume.id, exc)
        on_failure(exc)
        make, detail = _translation(exc)
        raised = make(exc)
        _tell_user(context, volume, raised, detail, reimage)
        raise raised from exc
    except Exception as exc:
        on_failure(exc)
        raise


def _translation(exc: errors.CowError) -> tuple[Any, Any]:
    """What makes Cinder's error of it, and the detail for the user."""
    failed = type(exc)
    if isinstance(exc, errors.BuildFailed):  # as if it had failed here
        failed = getattr(errors, exc.kind, failed)
    return next(
        (make, detail)
        for kind, make, detail in TRANSLATIONS
        if issubclass(failed, kind)
    )


def _tell_user(
    context: Any, volume: Any, raised: Exception, detail: Any, reimage: bool
) -> None:
    """As Cinder does where its own path fails."""
    action = message_field.Action.COPY_IMAGE_TO_VOLUME
    if reimage:
        if isinstance(raised, exception.ImageConversionNotAllowed):
            return  # VolumeManager.reimage tells of it
        action = message_field.Action.REIMAGE_VOLUME
    if detail is None:
        if reimage:  # the volume's status alone, as of Cinder's own path
            return
        action = message_field.Action.CREATE_VOLUME_FROM_BACKEND
        detail = message_field.Detail.DRIVER_FAILED_CREATE
    message_api.API().create(
        context,
        action,
        resource_uuid=volume.id,
        detail=detail,
        exception=raised,
    )
