# SPDX-License-Identifier: Apache-2.0
"""What goes wrong in a measurement."""


class BenchmarkError(Exception):
    """A figure could not be had, or would not be honest."""
