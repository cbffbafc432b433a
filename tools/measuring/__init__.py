# SPDX-License-Identifier: Apache-2.0
"""What the demo and the benchmarks share: images, volumes, and measuring them.

``bench`` makes volumes and says what came of them, ``image`` makes disk
images, ``space`` and ``watch`` look at the cluster and at cinder-volume,
``in_driver`` calls a driver without the API, ``log_line`` reads the INFO line
of a volume.
"""
