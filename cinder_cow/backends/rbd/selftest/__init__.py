# SPDX-License-Identifier: Apache-2.0
"""What a Ceph cluster must give, each as a question with a remedy.

At start-up cinder-volume asks what can be read; `cinder-cow doctor` asks
everything.
"""
