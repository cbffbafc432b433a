# SPDX-License-Identifier: Apache-2.0
"""Why there is no picture."""


class DashboardError(Exception):
    """The message says what to do."""
