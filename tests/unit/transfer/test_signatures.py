# SPDX-License-Identifier: Apache-2.0
"""With cursive and cryptography themselves; only the certificate is handed
over here, where Cinder has it from the key manager.
"""

import base64

from castellan.common import exception as key_errors
from cryptography.hazmat.primitives.asymmetric import rsa
from cursive import exception as cursive_errors
from cursive import signature_utils
import pytest

from cinder_cow import errors
from cinder_cow.model import ImageInfo, Stream, Target
from cinder_cow.transfer import signatures
from tests.fakes.request import nothing, run
from tests.fakes.signing import (
    CONTENT,
    KINDS,
    WRONG,
    certificates,
    properties,
    signed_rsa,
)
from tests.fakes.source import MemorySource, thread_pool

CONTEXT = object()
IMAGE = ImageInfo('i-1', 'active', 'raw', 'bare', len(CONTENT), signed=True)
TARGET = Target('v-1', 'volume-v-1', len(CONTENT))


@pytest.fixture
def asked(monkeypatch):
    """The certificates that are there, by id; and who asked for them."""
    there = certificates()
    contexts = []

    def get_certificate(context, uuid):
        contexts.append(context)
        if uuid not in there:
            raise cursive_errors.SignatureVerificationError(
                reason=f'Certificate not found with ID: {uuid}'
            )
        return there[uuid]

    monkeypatch.setattr(signature_utils, 'get_certificate', get_certificate)
    return contexts


def verifier(**changes):
    return signatures.verifier(CONTEXT, 'i-1', properties(**changes))


@pytest.mark.parametrize('kind', KINDS)
def test_right_signature_holds(asked, kind):
    found = verifier(kind=kind)

    found.update(CONTENT[:17])
    found.update(CONTENT[17:])
    found.verify()
    assert asked == [CONTEXT]


@pytest.mark.parametrize('name', signatures.PROPERTIES)
@pytest.mark.parametrize('value', [None, ''])
def test_missing_property_is_named(asked, name, value):
    with pytest.raises(errors.SignatureInvalid, match=f'has no {name}$'):
        verifier(**{name: value})


def test_all_missing_properties_are_named(asked):
    with pytest.raises(errors.SignatureInvalid) as caught:
        signatures.verifier(CONTEXT, 'i-1', {})
    assert all(each in str(caught.value) for each in signatures.PROPERTIES)


@pytest.mark.parametrize(
    'changes',
    [
        {'img_signature': 'x'},
        {'img_signature_hash_method': 'MD5'},
        {'img_signature_key_type': 'ROT13'},
        {'img_signature_key_type': 'ECC_SECP384R1'},
        {'img_signature_certificate_uuid': 'unknown'},
    ],
    ids=lambda changes: '-'.join(changes.values()),
)
def test_property_that_cannot_be_used_is_a_bad_signature(asked, changes):
    with pytest.raises(errors.SignatureInvalid, match='i-1 cannot be used'):
        verifier(**changes)


class KeyManager:
    """Has no certificate, and says why in its own way."""

    def __init__(self, answer):
        self.answer = answer

    def API(self):  # noqa: N802  as castellan calls it
        return self

    def get(self, context, uuid):
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer


class Broken:
    format = 'X.509'

    def get_encoded(self):
        return b'no DER'


@pytest.mark.parametrize(
    ('answer', 'error'),
    [
        (key_errors.KeyManagerError(reason='busy'), errors.SourceUnreachable),
        (key_errors.Forbidden(), errors.SourceUnreachable),
        (ConnectionRefusedError('injected'), errors.SourceUnreachable),
        (
            key_errors.ManagedObjectNotFoundError(uuid='RSA-PSS'),
            errors.SignatureInvalid,
        ),
        (Broken(), errors.SignatureInvalid),
    ],
    ids=['busy', 'forbidden', 'down', 'not found', 'no certificate'],
)
def test_key_manager_that_does_not_answer_is_not_the_images_fault(
    monkeypatch, answer, error
):
    monkeypatch.setattr(signature_utils, 'key_manager', KeyManager(answer))

    with pytest.raises(error, match='i-1') as caught:
        verifier()
    assert type(caught.value) is error


def copy(backend, content, finish=nothing, **changes):
    return run(
        Stream(TARGET.size_bytes, ()),
        IMAGE,
        TARGET,
        backend,
        finish,
        [MemorySource(content)],
        verifier=lambda: verifier(**changes),
    )


@pytest.mark.parametrize('kind', KINDS)
def test_signed_image_is_verified_in_the_stream(asked, backend, kind):
    verified = []

    copy(backend, CONTENT, finish=verified.append, kind=kind)

    assert verified == [True]
    assert backend.volumes == {TARGET.volume_name: CONTENT}


@pytest.mark.parametrize('kind', KINDS)
def test_one_wrong_byte_leaves_no_volume(asked, backend, kind):
    with pytest.raises(errors.SignatureInvalid, match='InvalidSignature'):
        copy(backend, WRONG, kind=kind)
    assert backend.volumes == {}
    assert thread_pool() == []


def test_signature_of_another_leaves_no_volume(asked, backend):
    other = signed_rsa(CONTENT, rsa.generate_private_key(65537, 2048))

    with pytest.raises(errors.SignatureInvalid):
        copy(backend, CONTENT, img_signature=base64.b64encode(other).decode())
    assert backend.volumes == {}
