# SPDX-License-Identifier: Apache-2.0

"""Which formats are the disk itself, and which can be made so."""

#: Formats whose bytes are the disk's bytes. An iso is read as it is; gpt is
#: Glance's coming name for a whole disk with a partition table.
RAW_FORMATS = ('raw', 'iso', 'gpt')
#: All that a base can be made of: those, and what QEMU converts.
FORMATS = (*RAW_FORMATS, 'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop')
