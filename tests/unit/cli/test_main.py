# SPDX-License-Identifier: Apache-2.0
import os
import subprocess
import sys

import pytest

from cinder_cow.cli import main
from tests.unit.cli.conftest import CONF

#: As bash-completion calls it, whose function gives the words of the line.
COMPLETE = """
line=("$@")
_get_comp_words_by_ref() { words=("${line[@]}"); cur=${line[-1]}; }
source "$0"
_cinder_cow
echo "${COMPREPLY[@]}"
"""


def test_backend_without_bases_says_so(store, backend, run):
    backend.bases = lambda: None

    status, _out, err = run('base', 'list')

    assert status == 1
    assert err == 'The backend rbd of [ceph] keeps no base images.\n'


def test_command_line_fails_with_one_line_and_without_cinder(conf, tmp_path):
    text = CONF.replace('[ceph]\n', '[ceph]\ncow_backend = tape\n')
    code = (
        'import sys; from cinder_cow.cli import main;'
        'status = main.main(sys.argv[1:]);'
        'assert "cinder" not in sys.modules; sys.exit(status)'
    )
    done = subprocess.run(
        [sys.executable, '-c', code, 'base', 'list', '--config-file']
        + [conf(text)],
        env={
            'HOME': str(tmp_path),  # stevedore's cache of entry points
            'PYTHONPATH': os.pathsep.join(sys.path),
        },
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (1, '')
    assert done.stderr.startswith('cow_backend = tape cannot be loaded')
    assert len(done.stderr.splitlines()) == 1


@pytest.mark.parametrize(
    ('words', 'meant'),
    [
        (['base', 'lst'], "'base lst'; did you mean 'base evict' or 'base"),
        (['wrm', 'x'], "'wrm x'; did you mean 'warm'?"),
    ],
)
def test_command_that_there_is_not_is_one_sentence(run, words, meant):
    status, out, err = run(*words)

    assert (status, out) == (2, '')
    assert err.startswith(f'There is no command {meant}')
    assert len(err.splitlines()) == 1


def test_arguments_that_are_wrong_have_a_status_of_their_own(run, capsys):
    with pytest.raises(SystemExit) as caught:
        run('base', 'sweep', '--max-bytes', '-1')

    assert caught.value.code == 2
    assert 'must be 0 or more' in capsys.readouterr().err


def test_completion_knows_every_command_and_its_options(
    capsys, tmp_path, logging_kept
):
    assert main.main(['complete']) == 0
    (tmp_path / 'complete').write_text(capsys.readouterr().out)

    def completed(*words):
        """What bash offers after them."""
        done = subprocess.run(
            ['bash', '-c', COMPLETE, tmp_path / 'complete', *words],
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
        return done.stdout.split()

    assert completed('cinder-cow', 'wa') == ['warm']
    assert completed('cinder-cow', 'base', 'l') == ['list']
    assert completed('cinder-cow', 'stats', '--prom') == ['--prometheus']
