# SPDX-License-Identifier: Apache-2.0
"""The storage contracts on Ceph RBD, by librados and librbd."""
