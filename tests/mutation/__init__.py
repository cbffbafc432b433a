# SPDX-License-Identifier: Apache-2.0
"""Defects that were not noticed once, and the tests that notice them.

``python -m tests.mutation`` puts one after the other back into a copy of the
working tree and runs the tests that have to fail then. It takes minutes, and
is no part of the other tests. ``python -m tests.mutation slot`` does it for
those whose title has that word.
"""
