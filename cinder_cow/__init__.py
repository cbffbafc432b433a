# SPDX-License-Identifier: Apache-2.0
"""A volume from an image costs one copy-on-write clone on Ceph RBD.

The way through the package, in one direction only::

    Cinder --clone_image()--> driver, cinder_adapter    Cinder's terms to ours
                                   |
                              planning.decide           Verdict, facts, Plan
                                   |
                              execute.run               does what was planned
                                   |-- backends         clone, or make and fill
                                   |-- base_images      find, build, evict
                                   |-- transfer         one verified copy
                                   |-- conversion       qemu-img, confined
                                   |
    Cinder <-- (update, True) -----+                    Result, or an error

    operator --cinder-cow--> cli -> wiring -> the same parts

Everything that is passed along is a frozen value of :mod:`cinder_cow.model`.
Deciding has no I/O but the questions to the storage; doing decides nothing.

What is guaranteed:

* A *refusal* ("other cluster", "not raw") is a value: it leads to another plan
  and is named in the log. A *failure* ("cluster unreachable") is an exception:
  it never becomes a slower path in silence.
* What cannot be cloned where it lies is copied or converted once in the whole
  cluster, into a base image, and every further volume is a clone of that.
* A volume is complete or it is gone: whatever fails, what this call made is
  removed before the error is raised, and nothing else is.
* The bytes of a copy are compared with Glance's hash and the image's signature
  before the volume is handed over; a result says when there was no hash.
* A copy holds a configured number of bytes in memory, and no local file.
* A volume is never smaller than its image, and a location is trusted only in
  an allowed pool, with the names that Glance itself would have used.
* No tool reads an image where it could open another file.

What is not guaranteed:

* A process that is killed leaves what it has made so far. What was left of a
  base image is removed by the next builder, or by a sweep. A volume keeps its
  name: Cinder puts it to ``error``, a partial copy is removed after the next
  start, and a clone when the volume is deleted.
* A clone is not compared with the image's hash: it shares the very blocks
  that Glance stored, and reading them all would undo the clone.
"""
