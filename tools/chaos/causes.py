# SPDX-License-Identifier: Apache-2.0
"""What failures name as their causes. Pure."""

from collections.abc import Set
import re

#: By their names, what tells of them in a message for the user, in an answer
#: of the API or in the log of cinder-volume. What says more comes first.
KNOWN = {
    'storage full': re.compile(
        r'Free space or raise the quota|EDQUOT|No space left|quota exceeded'
        r'|until Ceph warns that it is nearly full|cow_base_max_share'
    ),
    'lease lost': re.compile(r'The lease on \S+ was lost'),
    'conversion interrupted': re.compile(
        r'qemu-img was ended by|conversion of image \S+ was interrupted'
    ),
    'not permitted': re.compile(
        r'Permission|PermissionError|EPERM|EACCES|Operation not permitted'
    ),
    'image gone': re.compile(
        r'Image \S+ could not be found|is not active|deactivated'
        r'|ImageNotFound|Forbidden|Not authorized for image|HTTP 404'
    ),
    'source': re.compile(
        r'Could not read image|GlanceConnectionFailed|Unable to copy image'
        r'|Connection to glance failed|ImageCopyFailure|glanceclient\.exc'
    ),
    'storage unreachable': re.compile(
        r'Check that this host reaches the Ceph|Connection was lost'
        r'|timed out|Timeout|blocklist|ESHUTDOWN|error connecting'
        r'|ObjectNotFound|InterruptedOrTimeoutError'
    ),
    'busy': re.compile(r'is busy|ImageBusy|has it open|VolumeIsBusy|watchers'),
    'database': re.compile(
        r'DBConnectionError|Lost connection to|MySQL server|pymysql'
        r'|Connection refused'
    ),
    'messaging': re.compile(r'MessagingTimeout|AMQP|oslo_messaging'),
    'service ended': re.compile(
        r'Cleaning \w+ with id|was in progress when|status creating has been'
        r'|being interrupted|restart'
    ),
    'no host': re.compile(
        r'No valid backend|No weighed backends|NoValidBackend|weighted backend'
        r'|Exceeded max scheduling attempts|Service .* unavailable'
    ),
}

#: Faults of which Cinder loses messages, or forgets what they ask for.
LOSING = frozenset({'messaging', 'service ended', 'database'})


def named(text: str) -> set[str]:
    """Which of the known causes a text names."""
    return {name for name, told in KNOWN.items() if told.search(text)}


def first(causes: Set[str]) -> str:
    """The one that says most; empty where there is none."""
    return next((name for name in KNOWN if name in causes), '')
