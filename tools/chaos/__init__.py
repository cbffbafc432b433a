# SPDX-License-Identifier: Apache-2.0
"""Load and faults at once, on a whole cloud on this machine.

``__main__`` is the command, ``run`` the order of one run. ``load`` has
workers that do ``operations``; ``faults`` come and go meanwhile, by
``injection``, or one alone by ``single_faults``; ``pool`` looks whether each
volume is its image; ``final_checks`` looks what is left; ``history`` has what
was done and seen, ``report`` shows it.
"""
