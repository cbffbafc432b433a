# SPDX-License-Identifier: Apache-2.0
"""Signed images, by cryptography itself; their certificates by a test."""

import base64
import datetime

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

CONTENT = b'D0D-' * 30_000
WRONG = CONTENT[:-1] + b'?'


def certificate(key):
    name = x509.Name(
        [x509.NameAttribute(x509.NameOID.COMMON_NAME, 'the signer')]
    )
    now = datetime.datetime.now(datetime.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .sign(key, hashes.SHA256())
    )


def signed_rsa(content, key):
    padded = padding.PSS(padding.MGF1(hashes.SHA256()), padding.PSS.MAX_LENGTH)
    return key.sign(content, padded, hashes.SHA256())


def signed_ec(content, key):
    return key.sign(content, ec.ECDSA(hashes.SHA256()))


RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP384R1())
KINDS = {
    'RSA-PSS': (RSA, signed_rsa(CONTENT, RSA)),
    'ECC_SECP384R1': (EC, signed_ec(CONTENT, EC)),
}


def properties(kind='RSA-PSS', **changes):
    signature = base64.b64encode(KINDS[kind][1]).decode()
    given = {
        'img_signature': signature,
        'img_signature_hash_method': 'SHA-256',
        'img_signature_certificate_uuid': kind,
        'img_signature_key_type': kind,
    }
    return {**given, **changes}


def certificates():
    """By the ids that :func:`properties` names."""
    return {kind: certificate(key) for kind, (key, _) in KINDS.items()}
