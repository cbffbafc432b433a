# SPDX-License-Identifier: Apache-2.0
"""Whether the user of the [glance] section is shown what a clone needs.

Each reason why it is not has an answer of its own: from outside they look
alike, as an image that is copied, or is not found.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
import itertools
from typing import Any

from keystoneauth1 import exceptions as keystone_errors

from cinder_cow import errors
from cinder_cow.backends.base import CheckResult
from cinder_cow.model import SnapshotRef
from cinder_cow.planning import location
from cinder_cow.sources.glance_images import (
    ROLE,
    GlanceImages,
    GlanceNotTrusted,
)

#: Images that are looked at: enough to meet one in every store.
MOST_IMAGES = 5
LOGIN = 'Does Keystone let in the user of [glance]'
ALL_IMAGES = 'Has the user of [glance] the role admin'
LOCATIONS = 'Does Glance show us where images lie'
#: Of the locations API.
SERVICE_ROLE = 'service'


@dataclass(slots=True)
class GlanceSeen:
    """What Glance showed, and what that says of the set-up."""

    answers: list[CheckResult] = field(default_factory=list)
    #: Where some images lie.
    examples: list[SnapshotRef] = field(default_factory=list)
    #: Of the largest image, 0 where it is not known.
    largest_bytes: int = 0


def no_section() -> GlanceSeen:
    """What is to be said where cinder.conf names no user of Glance."""
    return GlanceSeen(
        [
            CheckResult(
                LOGIN,
                False,
                'no, cinder.conf has no [glance] section with auth_type:'
                ' unless Glance shows locations to users, no image is cloned'
                ' in place',
                'Add the section with auth_type, auth_url and so on, of a'
                ' user that has the roles service and admin (Glance 2024.2 or'
                ' newer)',
            )
        ]
    )


def look(
    connect: Callable[[], GlanceImages], most: int = MOST_IMAGES
) -> GlanceSeen:
    """Ask Glance for some images, as that user.

    :param connect: answers its view of Glance, or raises what Keystone says.
    :param most: images to look at.
    """
    seen = GlanceSeen()
    for answer in _answers(connect, most, seen):
        seen.answers.append(answer)
    return seen


def _answers(
    connect: Callable[[], GlanceImages], most: int, seen: GlanceSeen
) -> Iterator[CheckResult]:
    try:
        glance = connect()
        roles = glance.roles()
    except (keystone_errors.ClientException, errors.CowError) as exc:
        yield _not_let_in(exc)
        return
    yield CheckResult(LOGIN, True, 'yes')
    yield _all_images(glance, roles)
    try:
        records = _some(glance, most, sort_key='created_at', sort_dir='desc')
        largest = _some(glance, most, sort_key='size', sort_dir='desc')
        seen.largest_bytes = max(map(_size, largest), default=0)
        yield _locations(glance, roles, records, seen)
    except (keystone_errors.ClientException, GlanceNotTrusted) as exc:
        yield _not_shown(exc)


def _some(
    glance: GlanceImages, most: int, **order: str
) -> list[dict[str, Any]]:
    page = glance.records(status='active', limit=str(most), **order)
    return list(itertools.islice(page, most))


def _size(record: dict[str, Any]) -> int:
    """Of the disk in the image, in bytes."""
    return max(record.get('virtual_size') or 0, record.get('size') or 0)


def _not_let_in(exc: Exception) -> CheckResult:
    effect = 'volumes from images fail, or are full copies'
    match exc:
        case keystone_errors.Unauthorized():
            answer = f'no, it is turned away (HTTP 401): {effect}'
            remedy = (
                'Correct username, password, project_name and the domains in'
                ' [glance]'
            )
        case (
            keystone_errors.ConnectFailure()
            | keystone_errors.DiscoveryFailure()
        ):
            answer = f'not known, Keystone does not answer: {_printed(exc)}'
            remedy = 'Correct auth_url in [glance], or see to Keystone'
        case _:
            answer = f'no, {_printed(exc)}'
            remedy = 'Correct the options in [glance]'
    return CheckResult(LOGIN, False, answer, remedy)


def _printed(exc: Exception) -> str:
    return errors.printable(exc).rstrip('.')


def _all_images(glance: GlanceImages, roles: list[str]) -> CheckResult:
    if ROLE in roles:
        return CheckResult(ALL_IMAGES, True, 'yes')
    return CheckResult(
        ALL_IMAGES,
        False,
        f'no, its roles are {", ".join(roles) or "none"}: private images of'
        f' others are answered with 404, as if they were deleted',
        f'Give it the role: {glance.role_remedy(ROLE)}',
    )


def _locations(
    glance: GlanceImages,
    roles: list[str],
    records: list[dict[str, Any]],
    seen: GlanceSeen,
) -> CheckResult:
    urls = [url for each in records for url in glance.locations(each)]
    refs = [location.parse(url) for url in urls]
    seen.examples.extend(ref for ref in refs if isinstance(ref, SnapshotRef))
    if not records:
        return CheckResult(LOCATIONS, None, 'not known, there is no image yet')
    if urls:
        return _shown(glance, roles, f'{len(urls)} for {len(records)} images')
    status = glance.location_status(records[0]['id'])
    answer, remedy = _why_hidden(glance, roles, status)
    return CheckResult(
        LOCATIONS, False, f'no, {answer}: no image is cloned in place', remedy
    )


def _shown(glance: GlanceImages, roles: list[str], found: str) -> CheckResult:
    if SERVICE_ROLE in roles:
        return CheckResult(LOCATIONS, True, f'yes, {found}')
    return CheckResult(
        LOCATIONS,
        False,
        f'yes, {found}, though the user of [glance] has not the role'
        f' {SERVICE_ROLE}: a newer Glance may show none to it',
        f'Give it the role: {glance.role_remedy(SERVICE_ROLE)}',
        minor=True,
    )


def _why_hidden(
    glance: GlanceImages, roles: list[str], status: int
) -> tuple[str, str]:
    """The answer and the remedy, of an image that is listed."""
    if status == 403 and SERVICE_ROLE not in roles:
        return (
            f'the user of [glance] has not the role {SERVICE_ROLE} (403)',
            f'Give it the role: {glance.role_remedy(SERVICE_ROLE)}',
        )
    if status == 403:
        return (
            f'they are hidden from the role {SERVICE_ROLE} (403)',
            'Take what overrides fetch_image_location out of the policy.yaml'
            ' of Glance: its default is rule:service_api',
        )
    if status == 404:
        return (
            'this Glance has no API for them (404): it is older than 2024.2',
            'Use a newer Glance; or let it show locations to users:'
            ' show_multiple_locations = True (OSSN-0065 says what that risks)',
        )
    return (
        f'Glance names none (HTTP status {status})',
        'Upload an image to a store of type rbd',
    )


def _not_shown(exc: Exception) -> CheckResult:
    match exc:
        case GlanceNotTrusted(status=401):
            answer = 'no, Glance does not believe the token (401)'
            remedy = (
                'Correct [keystone_authtoken] in glance-api.conf: it must'
                ' name the Keystone of auth_url in [glance]'
            )
        case GlanceNotTrusted(status=403):
            answer = 'no, its roles do not let it list images (403)'
            remedy = (
                f'Give it the roles {SERVICE_ROLE} and {ROLE}, or take what'
                f' overrides get_images out of the policy.yaml of Glance'
            )
        case _:
            answer = f'not known, {_printed(exc)}'
            remedy = 'Correct glance_api_servers, or see to Glance'
    return CheckResult(LOCATIONS, False, answer, remedy)
