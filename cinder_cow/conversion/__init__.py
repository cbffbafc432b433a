# SPDX-License-Identifier: Apache-2.0
"""Other formats to raw, by qemu-img, safely.

May import backends and what is below them.
"""
