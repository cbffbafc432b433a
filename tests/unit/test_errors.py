# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow import errors

CODES = 'a\x1b[31m\r\nb\x07\u202e'


@pytest.mark.parametrize(
    'made',
    [
        errors.ImageUnacceptable('i', CODES),
        errors.SignatureInvalid('i', CODES),
        errors.BuildFailed('i', 'k', CODES),
        errors.StorageError('do it', OSError(CODES)),
        errors.SourceDamaged('glance', 'i', CODES),
        errors.ConversionLimitExceeded('i', CODES, 'option'),
        errors.ConfinementMissing(CODES),
    ],
    ids=lambda made: type(made).__name__,
)
def test_foreign_text_is_printable_in_errors(made):
    assert str(made).isprintable()


def test_printable_text_is_left_as_it_is():
    assert errors.printable('café: 1 "x"') == 'café: 1 "x"'


def test_what_is_not_printable_is_shown_as_an_escape():
    assert errors.printable('\x1b[0m\x9b\u202e') == r'\x1b[0m\x9b\u202e'


def test_printable_text_is_one_line_and_not_long():
    assert errors.printable('a\n b\t\tc') == 'a b c'
    assert errors.printable('x' * 10**6) == 'x' * 500 + '...'
