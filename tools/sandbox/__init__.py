# SPDX-License-Identifier: Apache-2.0

"""Real services on one machine: Ceph, Keystone, Glance and Cinder.

Everything listens on loopback and lives below one folder; nothing outlives
``down``. ``stack.Stack`` starts all of it, ``ceph.Cluster`` a Ceph cluster
alone.
"""
