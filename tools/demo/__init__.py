# SPDX-License-Identifier: Apache-2.0
"""The main job, shown: volumes of a real image, by our driver and upstream's.

``__main__`` is the command, ``cases`` the volumes that are made,
``side_by_side`` the drivers without the API, ``report`` the table and the JSON
file, ``facts`` what has to be right, ``ratios`` how long it took.
"""
