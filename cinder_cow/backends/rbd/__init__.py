# SPDX-License-Identifier: Apache-2.0
"""Volumes as RBD images of a Ceph cluster."""

from cinder_cow.backends.rbd.backend import RbdBackend

__all__ = ['RbdBackend']
