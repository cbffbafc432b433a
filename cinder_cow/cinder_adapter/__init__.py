# SPDX-License-Identifier: Apache-2.0
"""All that imports Cinder, beside driver.py: its terms, errors and services.

May import wiring and what is below it. What differs between the releases of
Cinder stands in cinder_release.py, and nowhere else.
"""

# First: a cold import of cinder.image.glance fails in 25 to 29.
from cinder.volume.drivers import rbd as upstream  # noqa: F401  isort: skip
