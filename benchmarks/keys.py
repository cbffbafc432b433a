# SPDX-License-Identifier: Apache-2.0
"""All that is measured, and what is aimed at. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

RATIO = 'ratio'
MIB = 'MiB'
BYTES = 'bytes'

MET = 'yes'
MISSED = 'NO'
NOT_DECIDED = 'not decided'
NOT_MEASURED = 'not measured'


@dataclass(frozen=True, slots=True)
class Key:
    """One figure. Smaller is better; a ratio is ours to theirs."""

    name: str
    #: The most that it may be; None: it is only reported.
    aim: float | None
    what: str
    theirs: str = ''
    unit: str = RATIO

    def verdict(
        self, value: float | None, interval: Sequence[float] | None
    ) -> str | None:
        """Whether the aim is met; None where nothing is aimed at.

        :param interval: in which a ratio lies; None: that is not known.
        """
        if self.aim is None:
            return None
        if value is None:
            return NOT_MEASURED
        if self.unit != RATIO:  # the most that was seen
            interval = (value, value)
        if interval is None or interval[0] <= self.aim < interval[1]:
            return NOT_DECIDED
        return MET if interval[1] <= self.aim else MISSED


UPSTREAM = "upstream's driver"
LIBRBD = 'librbd alone: clone, open, resize on one kept connection'
CURL = '`curl` from Glance piped into `rbd import -`, which verifies nothing'
EXPORT = '`rbd export -` there piped into `rbd import -` here'

KEYS = {
    key.name: key
    for key in (
        Key(
            'clone_vs_upstream',
            0.40,
            '`clone_image` in the driver, image in the same cluster, one at'
            ' a time',
            UPSTREAM,
        ),
        Key('clone_vs_librbd', 1.15, 'the same', LIBRBD),
        Key(
            'clone16_vs_upstream',
            0.35,
            'the same in 16 threads, seconds per volume',
            UPSTREAM,
        ),
        Key(
            'api_clone_vs_upstream',
            None,
            'the same from the API call to available, one at a time',
            UPSTREAM,
        ),
        Key(
            'burst100_vs_upstream',
            0.60,
            '100 volumes from one image that wait for one cinder-volume'
            ' process, which makes 16 at once; from its first to its last',
            UPSTREAM,
        ),
        Key(
            'api_burst50_vs_upstream',
            None,
            '50 volumes by 16 callers of the API at once, until the last is'
            ' available',
            UPSTREAM,
        ),
        Key(
            'stream_vs_upstream',
            0.35,
            'raw image of 1 GiB, half of it holes, in a file store; API call'
            ' to available',
            UPSTREAM,
        ),
        Key(
            'stream_vs_import',
            1.25,
            'the copy of that image alone, its hash verified',
            CURL,
        ),
        Key('stream_noverify_vs_import', 1.05, 'the same without hash', CURL),
        Key(
            'sparse_vs_import',
            0.30,
            'raw image of 10 GiB with 100 MiB of data in another cluster, by'
            ' librbd',
            EXPORT,
        ),
        Key(
            'qcow2_first_vs_upstream',
            0.50,
            'first volume of a qcow2 image of 1 GiB, 512 MiB of it data, in'
            ' the same cluster',
            UPSTREAM,
        ),
        Key(
            'qcow2_first_foreign_vs_upstream',
            0.80,
            'first volume of such an image in a file store',
            UPSTREAM,
        ),
        Key('qcow2_again_vs_upstream', 0.12, 'second volume of it', UPSTREAM),
        Key(
            'qcow2_first_warm_vs_upstream',
            0.12,
            'first volume of a qcow2 image in the same cluster, whose base'
            ' was built ahead by `cinder-cow warm`',
            UPSTREAM,
        ),
        Key(
            'raw_foreign_first_warm_vs_upstream',
            0.12,
            'the same of a raw image of 1 GiB in a file store',
            UPSTREAM,
        ),
        Key(
            'herd10_warm_vs_upstream',
            0.06,
            'ten volumes at once of a qcow2 image in the same cluster, whose'
            ' base was built ahead',
            UPSTREAM,
        ),
        Key(
            'herd10_warm_vs_empty',
            None,
            'ten such volumes at once',
            'ten volumes at once that have no image',
        ),
        Key(
            'midway_warm_vs_unwarmed',
            1.1,
            'first volume of a qcow2 image in a file store, asked for a second'
            ' after `cinder-cow warm` began with it',
            'the same without warming',
        ),
        Key(
            'herd10_vs_upstream',
            0.08,
            'ten volumes at once of a new qcow2 image in the same cluster,'
            ' until the last is available',
            UPSTREAM,
        ),
        Key(
            'clone_at_2000_vs_first',
            1.25,
            'the ten clones of a base up to the 2,000th, one at a time',
            'the first ten',
        ),
        Key(
            'peak_memory_mib',
            96,
            'growth of the process while it streams 1 GiB',
            unit=MIB,
        ),
        Key(
            'temp_bytes',
            0,
            'the most that was seen below image_conversion_dir and $TMPDIR'
            ' in a clone, a stream and a conversion of ours',
            unit=BYTES,
        ),
        Key(
            'space_per_clone_bytes',
            2**18,
            'what the cluster gains per clone',
            unit=BYTES,
        ),
    )
}
