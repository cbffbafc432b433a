# SPDX-License-Identifier: Apache-2.0
from chaos import causes


def test_what_says_more_comes_before_what_the_scheduler_says():
    text = 'No valid backend was found. Free space or raise the quota'

    assert causes.named(text) == {'no host', 'storage full'}
    assert causes.first(causes.named(text)) == 'storage full'


def test_where_nothing_is_named_there_is_no_cause():
    assert causes.first(causes.named('it went wrong')) == ''
