# SPDX-License-Identifier: Apache-2.0

"""A volume from an image costs one copy-on-write clone on Ceph RBD.

The way through the package, in one direction only::

    Cinder --clone_image()--> driver -> host      Cinder's terms into ours
                                |
                              backend.cloneable   facts, judged: a Verdict
                                |
                              plan.choose         a Plan, or ImageTooBig
                                |
                              execute.run         the doing: a Result
                                |-- backends      clone, or create and write
                                |-- bases         an image's base: find, build
                                |-- fill          sources, checks, copying
                                |
    Cinder <-- (update, True) --+                 ours into Cinder's

Everything that is passed along is a frozen value of :mod:`cinder_cow.model`.
Deciding (``location``, ``verdict``, ``plan``) has no I/O; doing (``execute``,
``backends``, ``fill``) has no decision left to take.

What is guaranteed:

* A *refusal* ("other cluster", "not raw") is a value: it drives the plan and
  is named in the log. A *failure* ("cluster unreachable") is an exception: it
  never becomes a slower path in silence.
* What cannot be cloned where it lies is copied or converted once in the whole
  cluster, into a base, and every further volume is a clone of that.
* A volume is complete or it is gone: whatever fails, what this call created
  is removed before the error is raised, and nothing else is.
* A stream is held against Glance's hash and the image's signature before the
  volume is handed over; a result says when there was nothing to hold it to.
* A stream holds a configured number of bytes, and no local file.
* A volume is never smaller than its image, and a location is trusted only in
  an allowed pool, with the names that Glance itself would have used.

What is not guaranteed:

* A process that is killed leaves what it has made so far. What was left of a
  base is removed by the next builder, or by a sweep. A volume stands under its
  own name: Cinder puts it to ``error``, the beginnings of a stream are removed
  at the next start, and a clone when the volume is deleted.
* A clone is not checked against the image's hash: it shares the very blocks
  that Glance stored, and reading them all would undo the clone.
"""
