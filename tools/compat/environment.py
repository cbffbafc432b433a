# SPDX-License-Identifier: Apache-2.0
"""A virtual environment with one release of Cinder and the package."""

from collections.abc import Mapping
import os
import pathlib
import shutil
import subprocess
import sys
from types import MappingProxyType

from compat.releases import PYTHON, REPO, SETUPTOOLS, Setup

FOLDER = REPO / '.cache' / 'compat'
SECONDS = 300
TESTS = ('pytest', 'hypothesis')
#: Of Cinder's own tests.
CINDER_TESTS = ('ddt', 'fixtures', 'oslotest', 'testtools')
#: Of Cinder's services in the sandbox, named by its configuration.
SERVICES = ('PyMySQL', 'pymemcache', 'python-memcached')
BINDINGS = ('rados', 'rbd')
_FIND = (
    'import importlib.util as u; print(u.find_spec({module!r}).origin);'
    'import sys; print(*sys.version_info[:2], sep=".")'
)


class Failed(Exception):
    """A command failed, or took too long: the end of what it said."""


def run(
    *command: object,
    seconds: float,
    folder: pathlib.Path = REPO,
    variables: Mapping[str, str] = MappingProxyType({}),
) -> str:
    """What the command wrote.

    :param folder: where it runs.
    :param variables: of its environment, beside those of this process.

    :raises Failed: when it fails, or does not end in so many seconds.
    """
    try:
        done = subprocess.run(
            [str(each) for each in command],
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=seconds,
        )
    except subprocess.TimeoutExpired as exc:
        raise Failed(f'{command[0]}: no end after {seconds:.0f} s') from exc
    if done.returncode:
        raise Failed(done.stdout.strip())
    return done.stdout


def interpreter(version: str) -> str | None:
    """The path of a Python of that version, if there is one."""
    pyenv = pathlib.Path(
        os.environ.get('PYENV_ROOT', pathlib.Path.home() / '.pyenv')
    )
    found = sorted(pyenv.glob(f'versions/{version}.*/bin/python3'))
    if version == PYTHON:
        return '/usr/bin/python3'
    return str(found[-1]) if found else shutil.which(f'python{version}')


class Environment:
    """The environment of one setup. Kept for the next time."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.folder = FOLDER / setup.name
        self.python = self.folder / 'bin' / 'python'

    @property
    def has_bindings(self) -> bool:
        """Whether Ceph's bindings load: those of Debian are of one Python."""
        return self.setup.python == PYTHON

    def make(self, wheel: pathlib.Path) -> None:
        """Install Cinder, and the package, as the release's constraints say.

        :raises Failed: when that cannot be, or pip finds a contradiction.
        """
        if not self.python.exists():
            base = interpreter(self.setup.python)
            _uv('venv', '--clear', '--python', base, self.folder)
        constraints = ('--constraints', self.setup.constraints)
        cinder = f'cinder=={self.setup.release}.*'
        self._pip(
            *('install', *constraints, cinder, SETUPTOOLS),
            *(*TESTS, *CINDER_TESTS, *SERVICES),
        )
        fresh = ('--reinstall-package', 'cinder-cow')
        self._pip('install', *constraints, *fresh, wheel)
        self._pip('check')
        if self.has_bindings:
            self._link_bindings()

    def versions(self, *names: str) -> dict[str, str]:
        """The versions of installed packages."""
        code = (
            'import sys, importlib.metadata as m;'
            'print(*map(m.version, sys.argv[1:]))'
        )
        found = run(self.python, '-c', code, *names, seconds=60)
        return dict(zip(names, found.split(), strict=True))

    def _pip(self, command: str, *arguments: object) -> None:
        _uv('pip', command, '--python', self.python, *arguments)

    def _link_bindings(self) -> None:
        """As tools/bootstrap.sh does for the environment of the sandbox."""
        site = self.folder / 'lib' / f'python{PYTHON}' / 'site-packages'
        for module in BINDINGS:
            code = _FIND.format(module=module)
            found, version = run(
                interpreter(PYTHON), '-c', code, seconds=60
            ).split()
            if version != PYTHON:
                raise Failed(f'python3-{module} is of Python {version}')
            link = site / pathlib.Path(found).name
            link.unlink(missing_ok=True)
            link.symlink_to(found)


def build_wheel() -> pathlib.Path:
    """The package, as it is installed in all environments.

    :raises Failed: when it cannot be built.
    """
    folder = FOLDER / 'wheel'
    shutil.rmtree(folder, ignore_errors=True)
    _uv('build', '--wheel', '--out-dir', folder, REPO)
    (wheel,) = folder.glob('*.whl')
    return wheel


def _uv(*arguments: object) -> None:
    uv = pathlib.Path(sys.executable).with_name('uv')
    run(uv, *arguments, seconds=SECONDS, variables=_index())


def _index() -> dict[str, str]:
    """uv does not read pip's configuration: what it names is handed on."""
    pip = pathlib.Path(sys.executable).with_name('pip')
    try:
        index = run(pip, 'config', 'get', 'global.index-url', seconds=60)
    except Failed:  # it names none
        return {}
    return {'UV_DEFAULT_INDEX': index.strip()}
