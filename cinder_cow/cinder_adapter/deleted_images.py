# SPDX-License-Identifier: Apache-2.0
"""Which images Glance has no more. A wrong answer would retire their bases.

Any web server answers 404, and to a user without the right roles Glance does
too. So an image counts as deleted only when all of this holds:

* the answer is a 404 of Glance's API: JSON, with the fields that it writes;
* Glance shows another image to the same user in the same sweep;
* the image was missing in an earlier sweep too, some time ago, and is missing
  over several new connections now: behind a load balancer one Glance of many
  may have an empty database;
* no image that was missing has come back: ids are never used again, so the
  Glance servers contradict each other then, and nothing is believed for an
  hour;
* not too large a share of the images is missing; else one more sweep has to
  find it so, after a WARNING.
"""

import time

from oslo_log import log as logging

from cinder_cow.cinder_adapter import service_user
from cinder_cow.sources.glance_images import GlanceNotTrusted

LOG = logging.getLogger(__name__)

#: Between the first look that misses an image and the one that is believed.
CONFIRM_SECONDS = 60
#: More than this share of all images that bases were made of, and more than
#: so many of them, are not believed to be deleted at once.
MOST_SHARE = 0.5
MOST_IMAGES = 3
#: Of an image that is about to be believed deleted, each by a new connection.
MORE_LOOKS = 3
#: After an image came back.
DISTRUST_SECONDS = 3600


class DeletedImages:
    """Asked by each sweep of this process; remembers what was missing."""

    def __init__(self, confirm_seconds=CONFIRM_SECONDS, clock=time.monotonic):
        self._confirm_seconds = confirm_seconds
        self._clock = clock
        self._missing_since = {}
        self._warned_of = frozenset()
        self._distrusted_until = 0.0

    def __call__(self, image_ids):
        """Those of the images that are deleted, beyond doubt.

        :raises GlanceNotTrusted: when nothing that was answered counts.
        """
        if not service_user.is_configured():
            return set()
        glance = service_user.all_images()
        existing = glance.existing(image_ids)
        answers = {each: each in existing for each in image_ids}
        missing = {each for each, exists in answers.items() if not exists}
        if missing and len(missing) == len(answers):
            glance.require_any_image()
        now = self._clock()
        self._require_consistent(answers, now)
        self._missing_since = {
            each: self._missing_since.get(each, now) for each in missing
        }
        confirmed = {
            each
            for each, since in self._missing_since.items()
            if now - since >= self._confirm_seconds
        }
        self._look_again(confirmed, now)
        return confirmed if self._is_plausible(confirmed, answers) else set()

    def _look_again(self, confirmed, now):
        """Over new connections, which a load balancer may send elsewhere."""
        for _ in range(MORE_LOOKS if confirmed else 0):
            glance = service_user.all_images()
            answers = {each: glance.exists(each) for each in confirmed}
            self._require_consistent(answers, now)

    def _require_consistent(self, answers, now):
        """See that no image came back.

        :raises GlanceNotTrusted: when one did, and for an hour from then on.
        """
        back = sorted(
            each for each in self._missing_since if answers.get(each)
        )
        if back:
            self._distrusted_until = now + DISTRUST_SECONDS
            self._missing_since = {}
        if now < self._distrusted_until:
            raise GlanceNotTrusted(
                f'an image was missing and came back'
                f' ({", ".join(back) or "within the last hour"}): the Glance'
                f' servers contradict each other. See glance_api_servers and'
                f' the databases behind them'
            )

    def _is_plausible(self, confirmed, answers):
        many = max(MOST_IMAGES, MOST_SHARE * len(answers))
        warned_of, self._warned_of = self._warned_of, frozenset()
        if len(confirmed) <= many or confirmed <= warned_of:
            return True
        LOG.warning(
            '%d of the %d images that bases were made of are missing in'
            ' Glance. If that is wrong, correct glance_api_servers, the'
            ' [glance] section or its roles now: the next sweep retires their'
            ' bases.',
            len(confirmed),
            len(answers),
        )
        self._warned_of = frozenset(confirmed)
        return False
