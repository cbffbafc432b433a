# SPDX-License-Identifier: Apache-2.0

"""Which formats are the disk itself, and which can be made so."""

#: Formats whose bytes are the disk's bytes. An iso is read as it is.
RAW_FORMATS = ('raw', 'iso')
#: All that a base can be made of: those, and what QEMU converts.
FORMATS = (*RAW_FORMATS, 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop')
