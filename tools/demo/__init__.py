# SPDX-License-Identifier: Apache-2.0
"""The main job, shown: volumes of a real image, by our driver and upstream's.

``__main__`` is the order of events, ``cases`` what is measured, ``image``
the disk image, ``space``, ``watch`` and ``side_by_side`` measurements of their
own, ``report`` the table and the JSON file, ``judgement`` what is promised.
"""
