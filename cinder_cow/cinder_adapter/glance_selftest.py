# SPDX-License-Identifier: Apache-2.0
"""The part of the start-up's self-test that asks Glance."""

from cinder import exception
from cinder.image import glance
from keystoneauth1 import exceptions as keystone_errors

from cinder_cow.backends.base import CheckResult
from cinder_cow.cinder_adapter import image_locations, service_user
from cinder_cow.cinder_adapter.image_info import locations
from cinder_cow.model import SnapshotRef
from cinder_cow.planning import location

#: Images that are looked at: enough to meet one in every store.
SELF_TEST_IMAGES = 5


def glance_check() -> tuple[CheckResult, list[SnapshotRef]]:
    """Whether Glance shows locations to us, and some that it showed."""
    question = 'Does Glance show us where images lie'
    if not service_user.is_configured():
        return _no_glance_section(question), []
    try:
        images, urls = _seen_in_glance()
    except (keystone_errors.Unauthorized, exception.NotAuthorized) as exc:
        return _not_allowed(question, exc), []
    except Exception as exc:  # noqa: BLE001  Glance may be down: start anyway
        return CheckResult(question, None, f'not known, {exc}'), []
    refs = [location.parse(url) for url in urls]
    return (
        _shown(question, images, len(urls)),
        [ref for ref in refs if isinstance(ref, SnapshotRef)],
    )


def _seen_in_glance() -> tuple[int, list[str]]:
    """How many images were looked at, and all their locations."""
    context = service_user.context()
    service = glance.get_default_image_service()
    images = service.detail(
        context, filters={'status': 'active'}, limit=SELF_TEST_IMAGES
    )[:SELF_TEST_IMAGES]
    return len(images), [
        url
        for image in images
        for url in locations(
            image_locations.complete(
                image['id'], service.get_location(context, image['id'])
            )
        )
    ]


def _no_glance_section(question: str) -> CheckResult:
    return CheckResult(
        question,
        False,
        'not known, cinder.conf has no [glance] section. Unless Glance shows'
        ' locations to users, no image is cloned in place',
        'Add the section (for Glance 2024.2 or newer) with'
        ' auth_type, auth_url and so on, of a user that has the roles service'
        ' and admin',
    )


def _not_allowed(question: str, exc: Exception) -> CheckResult:
    return CheckResult(
        question,
        False,
        f'no, the user of the [glance] section is turned away ({exc}):'
        f' volumes from images fail or are full copies',
        'Correct its name, password and project, and give it the roles'
        ' service and admin',
    )


def _shown(question: str, images: int, urls: int) -> CheckResult:
    if not images:
        return CheckResult(question, None, 'not known, there is no image yet')
    if urls:
        return CheckResult(question, True, f'yes, {urls} for {images} images')
    return CheckResult(
        question,
        False,
        f'no, none for {images} images: no image is cloned in place',
        'Give the user of the [glance] section the roles service and admin',
    )
