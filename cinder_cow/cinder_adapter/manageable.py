# SPDX-License-Identifier: Apache-2.0
"""Base images in Cinder's list of what can be taken over as a volume."""

from cinder import exception

from cinder_cow.backends import base_names

REASON = 'a base image of cinder-cow, which volumes may be clones of'


def without_bases(entries):
    """The entries of ``get_manageable_volumes``, none of them a base.

    A base that became a volume and was deleted would have all its clones
    flattened first.
    """
    for entry in entries:
        if base_names.is_ours(entry['reference']['source-name']):
            entry['safe_to_manage'] = False
            entry['reason_not_safe'] = REASON
    return entries


def refuse_base(existing_ref):
    """Refuse to take over a base.

    :raises ManageExistingInvalidReference: when the reference names one.
    """
    if base_names.is_ours(str(existing_ref.get('source-name', ''))):
        raise exception.ManageExistingInvalidReference(
            existing_ref=existing_ref, reason=f'It is {REASON}.'
        )
