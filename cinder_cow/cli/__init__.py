# SPDX-License-Identifier: Apache-2.0
"""The command `cinder-cow`, for operators on a host of cinder-volume."""
