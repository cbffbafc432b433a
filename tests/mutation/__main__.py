# SPDX-License-Identifier: Apache-2.0
"""Puts each defect back, and runs its tests. Ends with 1 if one survives."""

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

from tests.mutation.defects import PACKAGE, TESTS, Defect, defects

ROOT = pathlib.Path(__file__).parents[2]
#: A defect may have a test hang.
MOST_SECONDS = 180
PASSED, FAILED = 0, 1


def copied(folder: pathlib.Path) -> None:
    """What git knows of, as it is in the working tree now."""
    listed = subprocess.run(
        [
            'git',
            'ls-files',
            '-z',
            '--cached',
            '--others',
            '--exclude-standard',
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split('\0')):
        if (ROOT / name).exists():
            target = folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, target)


def status(folder: pathlib.Path, test: str) -> int | None:
    """What pytest ends with in that copy; None: it did not end."""
    path = os.pathsep.join(
        [str(folder), str(folder / 'tools'), os.environ.get('PYTHONPATH', '')]
    )
    pytest = [sys.executable, '-m', 'pytest', '-q', '-p', 'no:cacheprovider']
    try:
        ended = subprocess.run(
            [*pytest, test],
            cwd=folder,
            env={**os.environ, 'PYTHONPATH': path},
            capture_output=True,
            text=True,
            timeout=MOST_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return None
    if ended.returncode not in (PASSED, FAILED):
        print(ended.stdout, ended.stderr, sep='\n', file=sys.stderr)
    return ended.returncode


def survives(folder: pathlib.Path, defect: Defect) -> str:
    """How the defect got past its tests; empty: each of them failed."""
    file = folder / PACKAGE / defect.file
    right = file.read_text()
    file.write_text(right.replace(defect.old, defect.new))
    try:
        for test in defect.tests:
            if status(folder, f'{TESTS}/{test}') not in (FAILED, None):
                return f'{test} did not fail'
        return ''
    finally:
        file.write_text(right)


def main(words: list[str]) -> int:
    chosen = [
        each for each in defects() if all(word in each.title for word in words)
    ]
    survivors = 0
    with tempfile.TemporaryDirectory() as made:
        folder = pathlib.Path(made)
        copied(folder)
        for defect in chosen:
            reason = survives(folder, defect)
            survivors += bool(reason)
            answer = f'SURVIVES: {reason}' if reason else 'caught'
            print(f'{defect.file}: {defect.title}: {answer}', flush=True)
    print(f'{len(chosen)} defects, {survivors} survive')
    return 1 if survivors or not chosen else 0


if __name__ == '__main__':
    sys.exit(main(sys.argv[1:]))
