# SPDX-License-Identifier: Apache-2.0
"""What is done beside the service, without delaying its start."""

from oslo_log import log as logging
from oslo_service import loopingcall

LOG = logging.getLogger(__name__)


def once(title, function, delay_seconds=0):
    """Call it once, beside everything else. What it raises is logged.

    A green thread under eventlet, else a native one: as Cinder's own periodic
    tasks.

    :param title: for the log, as "Could not <title>".
    """

    def call():
        _log_failure(title, function)
        raise loopingcall.LoopingCallDone

    loopingcall.FixedIntervalLoopingCall(call).start(
        interval=1, initial_delay=delay_seconds
    )


def every(seconds, title, function):
    """Call it again and again, for as long as this process runs.

    An exception would end a looping call for ever; here it is logged.
    """
    loopingcall.FixedIntervalLoopingCall(
        lambda: _log_failure(title, function)
    ).start(interval=seconds, initial_delay=seconds)


def again_and_again(pause_seconds, title, function):
    """Call it so long after the end of the call before.

    For what may take long: :func:`every` warns of each call that lasts.
    """

    def call():
        _log_failure(title, function)
        return pause_seconds

    loopingcall.DynamicLoopingCall(call).start(initial_delay=pause_seconds)


def _log_failure(title, function):
    try:
        function()
    except Exception:
        LOG.exception('Could not %s', title)
