# SPDX-License-Identifier: Apache-2.0
"""An explanation, told to people and to programs (-f json)."""

import dataclasses
from dataclasses import dataclass
import textwrap
from typing import Any

from cinder_cow import errors
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.cli.columns import Bytes, Column, Seconds, moment
from cinder_cow.cli.explanation import ERROR, Explanation, Located, Outline
from cinder_cow.model import (
    BuildBase,
    Clone,
    CloneBase,
    Method,
    Refusal,
    RefusalCode,
    Verification,
)
from cinder_cow.planning import plan as planning
from cinder_cow.planning import verdict as rules
from cinder_cow.planning.api_checks import GIB

#: A table of two columns has 100 with it.
WIDTH = 76
#: A base's name is long; `cinder-cow base show` takes any unique beginning.
BASE_NAME_WIDTH = 48

#: Glance tells locations to the first, and of private images to the second.
ROLES = ('service', 'admin')
PLANS = {
    Method.CLONE.value: 'a copy-on-write clone of the image itself',
    Method.CLONE_BASE.value: 'a copy-on-write clone of the base image that'
    ' is there',
    Method.BUILD_BASE.value: 'a base image is made of it once, and the volume'
    ' is its clone',
    Method.STREAM.value: 'all its bytes are copied into the volume',
    Method.DELEGATE.value: "left to Cinder's own path: a download and a"
    ' conversion on a local disk of cinder-volume',
    ERROR: 'no volume is made: the create ends with an error',
}
COSTS = (
    'Bytes to move',
    'Source',
    'Seconds',
    'Verification',
    'First volume',
    'Next volume',
)
VERIFICATIONS = {
    Verification.SHARED: 'nothing is copied: the volume shares the blocks that'
    ' Glance stored',
    Verification.HASH: 'every byte, against os_hash_value of Glance',
    Verification.CHECKSUM: 'every byte, against the older MD5 of Glance',
    Verification.ABSENT: 'no byte: Glance has no hash of it, or it is read in'
    ' the storage, where Ceph has checksums of its own; cow_require_hash ='
    ' True asks for more',
    Verification.DELEGATED: 'what Cinder itself verifies of a download',
}


class Told(Column):
    """A value for programs, and its text for people."""

    def __init__(self, value: Any, text: str) -> None:
        super().__init__(value)
        self._text = text

    def human_readable(self) -> str:
        return self._text


def wrapped(text: str, width: int = WIDTH) -> str:
    """The text in lines that are no longer; its own lines stay lines."""
    return '\n'.join(
        textwrap.fill(
            line,
            width,
            subsequent_indent=' ' * (len(line) - len(line.lstrip())),
        )
        for line in text.splitlines()
    )


@dataclass(frozen=True, slots=True)
class Asker:
    """The user that Glance was asked as."""

    user: str
    roles: list[str]
    #: Whether cinder-volume asks as the same user, for all volumes.
    is_of_section: bool
    #: Of Keystone.
    user_id: str
    project_id: str

    def __str__(self) -> str:
        return f'{self.user}; its roles: {", ".join(self.roles) or "none"}'

    def told(self, refusal: Refusal) -> Refusal:
        """The same; where locations are hidden from this user, what mends it.

        Of a user who is not cinder-volume's own the refusal says it.
        """
        lacking = [each for each in ROLES if each not in self.roles]
        if (
            refusal.code is not RefusalCode.NO_LOCATION
            or not self.is_of_section
            or not lacking
        ):
            return refusal
        give = f'openstack role add --user {self.user_id}'
        give += f' --project {self.project_id}'
        return dataclasses.replace(
            refusal,
            reason=f'{refusal.reason} to {self.user}, which lacks the roles'
            f' {" and ".join(lacking)}',
            remedy='; '.join(f'{give} {each}' for each in lacking),
        )


def rows(explanation: Explanation, asker: Asker) -> dict[str, Any]:
    """What is told of one image."""
    outline = explanation.outline
    return {
        **_image(outline),
        'Asked as': Told(str(asker), wrapped(str(asker))),
        'Volume': Told(outline.size_gib * GIB, f'{outline.size_gib} GiB'),
        'Plan': Told(
            outline.method,
            wrapped(f'{outline.method}: {PLANS[outline.method]}'),
        ),
        'Reason': outline.reason,
        'Why': _why(explanation, asker),
        'Locations': _locations(explanation.locations, asker),
        'Base': _base(explanation),
        'Last build': _build(explanation.build),
        **_costs(explanation),
    }


def why_no_base(outline: Outline) -> str:
    """Why the plan has no base."""
    assert outline.decision is not None
    image, facts = outline.image, outline.decision.bases
    if isinstance(outline.plan, Clone):
        return 'none is needed: the image itself is cloned'
    if any(each is planning.REPLICATED for each in _refusals(outline)):
        return 'none: the volume type is replicated'
    if facts.rule is planning.BaseRule.NEVER:
        return 'none: cow_base_images is never, or the backend keeps none'
    if not rules.is_bare_and_active(image):
        return f'none: the container format is {image.container_format}'
    if not image.size_bytes:
        return 'none: Glance does not know the size of the image'
    if not planning.may_have_base(image, facts.rule):
        return f'none: {image.disk_format} is not converted'
    return (
        f'none: the image is larger than cow_base_auto_bytes,'
        f' {Bytes(facts.auto_bytes)}. Raise the option if many volumes are'
        f' made of it'
    )


def _image(outline: Outline) -> dict[str, Any]:
    record, image = outline.record, outline.image
    container = image.container_format
    disk = int(record.get('virtual_size') or 0)
    differs = disk not in (0, image.size_bytes)
    more = f', a disk of {Bytes(disk)}' if differs else ''
    return {
        'Image': image.image_id,
        'Name': errors.printable(record.get('name') or '', WIDTH - 3),
        'Format': image.disk_format
        if container in rules.BARE_CONTAINERS
        else f'{image.disk_format} in {container}',
        'Size': Told(image.size_bytes, f'{Bytes(image.size_bytes)}{more}'),
    }


def _refusals(outline: Outline) -> tuple[Refusal, ...]:
    plan = outline.plan
    if plan is None or isinstance(plan, Clone):
        return ()
    return plan.refusals


def _why(explanation: Explanation, asker: Asker) -> Told:
    """Why it is no clone: what is not told with its locations."""
    outline = explanation.outline
    if outline.plan is None:
        text = errors.printable(outline.error, 2000)
        return Told([{'reason': text}], wrapped(text))
    told = [each.refusal for each in explanation.locations]
    found = [
        asker.told(each) for each in _refusals(outline) if each not in told
    ]
    if found:
        return Told(
            [_of_refusal(each) for each in found],
            wrapped('\n'.join(map(_refusal_text, found))),
        )
    if outline.method == Method.CLONE.value:
        return Told([], 'nothing is against it')
    if _refusals(outline):
        return Told([], 'see the locations')
    return Told([], 'cow_base_images is always')


def _of_refusal(refusal: Refusal) -> dict[str, str]:
    return {
        'code': refusal.code.value,
        'reason': errors.printable(refusal.reason),
        'remedy': refusal.remedy,
    }


def _refusal_text(refusal: Refusal) -> str:
    told = _of_refusal(refusal)
    return f'{told["code"]}: {told["reason"]}.\n  Remedy: {told["remedy"]}.'


def _locations(locations: list[Located], asker: Asker) -> Told:
    if not locations:
        return Told([], f'Glance shows none to {asker.user}')
    return Told(
        [_of_location(each) for each in locations],
        wrapped('\n'.join(map(_location_text, locations))),
    )


def _of_location(located: Located) -> dict[str, str]:
    found = {'location': located.label, 'verdict': 'here'}
    if located.failure is not None:
        found |= {'verdict': 'unknown', 'reason': str(located.failure)}
    elif located.refusal is not None:
        of_refusal = _of_refusal(located.refusal)
        found |= {**of_refusal, 'verdict': of_refusal.pop('code')}
        found.pop('code', None)
    return found


def _location_text(located: Located) -> str:
    if located.failure is not None:
        return f'{located.label}\n  could not be asked: {located.failure}'
    if located.refusal is not None:
        text = _refusal_text(located.refusal)
        return f'{located.label}\n{textwrap.indent(text, "  ")}'
    return f"{located.label}\n  lies in the volumes' cluster, and may be read"


def _base(explanation: Explanation) -> Told:
    outline, name = explanation.outline, explanation.base_name
    short = name[:BASE_NAME_WIDTH]
    match outline.plan:
        case None:
            return Told(None, '')
        case CloneBase(base):
            info = base.info
            text = (
                f'{short}\nmade at {moment(info.created)} in'
                f' {Seconds(round(info.seconds))}, takes'
                f' {Bytes(info.stored_bytes)}'
            )
            return Told({'name': name, 'exists': True}, text)
        case BuildBase():
            text = f'none yet; it will be called\n{short}'
            return Told({'name': name, 'exists': False}, text)
        case _:
            return Told(None, wrapped(why_no_base(outline)))


def _build(build: BuildRecord | None) -> Told:
    if build is None:
        return Told(None, 'none has failed, and none goes on')
    cause = errors.printable(build.cause, 2000)
    since = moment(build.written)
    value = {
        'image_id': build.image_id,
        'failures': build.failures,
        'kind': build.kind,
        'cause': cause,
        'final': build.final,
        'written': since,
    }
    if not build.kind:
        text = (
            f'goes on since {since}; or its builder has died, and the next'
            f' one takes over within half a minute'
        )
    else:
        text = f'failed at {since}, {build.failures} in a row: {cause}'
        if build.final:
            text += (
                '\nThe image itself is at fault: the next try will fail too'
            )
    return Told(value, wrapped(text))


def _costs(explanation: Explanation) -> dict[str, Any]:
    outline, expected = explanation.outline, explanation.expected
    if outline.plan is None:
        return dict.fromkeys(COSTS, Told(None, ''))
    first, following = _volumes(explanation)
    return {
        'Bytes to move': Bytes(_bytes(explanation)),
        'Source': expected.source if expected is not None else '',
        'Seconds': _seconds(explanation),
        'Verification': _verification(explanation),
        'First volume': Told(first, wrapped(first)),
        'Next volume': Told(following, wrapped(following)),
    }


def _bytes(explanation: Explanation) -> int:
    if explanation.expected is None:  # Cinder's own download
        return explanation.outline.image.size_bytes
    return explanation.expected.bytes_copied


def _seconds(explanation: Explanation) -> Told:
    expected, rate = explanation.expected, explanation.rate
    if expected is None:
        return Told(None, "not known: Cinder's own path is not measured here")
    if not expected.bytes_copied:
        return Told(0, 'under a second')
    if rate is None:
        origin = f' from {expected.source}' if expected.source else ''
        return Told(None, f'not known: no such copy{origin} was measured yet')
    seconds = round(rate.seconds(expected.bytes_copied), 1)
    text = (
        f'about {Seconds(max(1, round(seconds)))}, at the'
        f' {Bytes(int(rate.bytes_per_second))} per second of past builds of'
        f' this format from {expected.source} ({rate.builds})'
    )
    return Told(seconds, wrapped(text))


def _verification(explanation: Explanation) -> Told:
    expected = explanation.expected
    kind = expected.verification if expected else Verification.DELEGATED
    names, text = [kind.value], f'{kind.value}: {VERIFICATIONS[kind]}'
    if expected is not None and expected.signature_verified:
        names.append('signature')
        text += '\nsignature: every byte, against img_signature'
    return Told(names, wrapped(text))


def _volumes(explanation: Explanation) -> tuple[str, str]:
    """What the first volume costs, and what each one after it."""
    outline, moved = explanation.outline, Bytes(_bytes(explanation))
    replicated = outline.replicated
    flattened = (
        ', which is then flattened: the volume type is replicated'
        if replicated
        else ': nothing is copied'
    )
    match outline.method:
        case Method.CLONE.value:
            return ('a clone: nothing is copied',) * 2
        case Method.CLONE_BASE.value:
            return (f'a clone of the base{flattened}',) * 2
        case Method.BUILD_BASE.value:
            return (
                f'{moved} are read for the base, and the volume is a clone of'
                f' it{flattened if replicated else ""}',
                f'a clone of the base{flattened}',
            )
        case Method.STREAM.value:
            return f'{moved} are copied', f'the same: {moved} are copied'
        case _:
            text = f'{moved} are downloaded, and converted'
            return text, f'the same: {text}'
