# SPDX-License-Identifier: Apache-2.0
"""Facts to a plan, without I/O. May import model and errors alone."""
