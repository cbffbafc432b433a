# SPDX-License-Identifier: Apache-2.0
"""A virtual environment with one release of Cinder and the package."""

from collections.abc import Iterator
import contextlib
import os
import pathlib
import shutil
import sys
import tempfile

from compat import debian
from compat.releases import (
    DEBIAN,
    DEBIAN_PYTHON,
    PYTHON,
    REPO,
    SETUPTOOLS,
    Setup,
)
from compat.running import FOLDER, Failed, run

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


def interpreter(version: str, number: int = DEBIAN) -> str | None:
    """The path of a Python of that version on that Debian, if there is one."""
    pyenv = pathlib.Path(
        os.environ.get('PYENV_ROOT', pathlib.Path.home() / '.pyenv')
    )
    found = sorted(pyenv.glob(f'versions/{version}.*/bin/python3'))
    if version == DEBIAN_PYTHON[number]:
        return '/usr/bin/python3'
    return str(found[-1]) if found else shutil.which(f'python{version}')


class Environment:
    """The environment of one setup. Kept for the next time."""

    def __init__(self, setup: Setup) -> None:
        self.setup = setup
        self.folder = FOLDER / setup.name
        self._python = self.folder / 'bin' / 'python'

    def program(self, name: str) -> tuple[object, ...]:
        """The beginning of a command: one of this environment's programs."""
        path = self._python.with_name(name)
        return *debian.inside(self.setup.debian), path

    def make(self, wheel: pathlib.Path) -> None:
        """Install Cinder, and the package, as the release's constraints say.

        :raises Failed: when that cannot be, or pip finds a contradiction.
        """
        # A link, which leads to something in its own Debian alone.
        if not os.path.lexists(self._python):
            base = interpreter(self.setup.python, self.setup.debian)
            self._uv('venv', '--clear', '--python', base, self.folder)
        constraints = ('--constraints', self.setup.constraints)
        cinder = f'cinder=={self.setup.release}.*'
        self._pip(
            *('install', *constraints, cinder, SETUPTOOLS),
            *(*TESTS, *CINDER_TESTS, *SERVICES),
        )
        fresh = ('--reinstall-package', 'cinder-cow')
        self._pip('install', *constraints, *fresh, wheel)
        self._pip('check')
        if self.setup.has_bindings:
            self._link_bindings()

    def versions(self, *names: str) -> dict[str, str]:
        """The versions of installed packages."""
        code = (
            'import sys, importlib.metadata as m;'
            'print(*map(m.version, sys.argv[1:]))'
        )
        found = run(*self.program('python'), '-c', code, *names, seconds=60)
        return dict(zip(names, found.split(), strict=True))

    def _pip(self, command: str, *arguments: object) -> None:
        self._uv('pip', command, '--python', self._python, *arguments)

    def _uv(self, *arguments: object) -> None:
        _uv(*arguments, inside=debian.inside(self.setup.debian))

    def _link_bindings(self) -> None:
        """As tools/bootstrap.sh does for the environment of the sandbox."""
        version = self.setup.python
        site = self.folder / 'lib' / f'python{version}' / 'site-packages'
        python = (*debian.inside(self.setup.debian), '/usr/bin/python3')
        for module in BINDINGS:
            code = _FIND.format(module=module)
            path, found = run(*python, '-c', code, seconds=60).split()
            if found != version:
                raise Failed(f'python3-{module} is of Python {found}')
            link = site / pathlib.Path(path).name
            link.unlink(missing_ok=True)
            link.symlink_to(path)


def install(folder: pathlib.Path, *packages: str) -> None:
    """An environment with these packages, on this machine's Python.

    :raises Failed: when they cannot be installed.
    """
    python = folder / 'bin' / 'python'
    if not python.exists():
        _uv('venv', '--clear', '--python', interpreter(PYTHON), folder)
    _uv('pip', 'install', '--python', python, *packages)


@contextlib.contextmanager
def wheel() -> Iterator[pathlib.Path]:
    """The package, as it is installed in all environments; gone afterwards.

    :raises Failed: when it cannot be built.
    """
    # Another Debian, in its folder, sees this one too.
    with tempfile.TemporaryDirectory(prefix='cow-') as folder:
        _uv('build', '--wheel', '--out-dir', folder, REPO)
        (built,) = pathlib.Path(folder).glob('*.whl')
        yield built


def _uv(*arguments: object, inside: tuple[str, ...] = ()) -> None:
    uv = pathlib.Path(sys.executable).with_name('uv')
    run(*inside, uv, *arguments, seconds=SECONDS, variables=_index())


def _index() -> dict[str, str]:
    """uv does not read pip's configuration: what it names is handed on."""
    pip = pathlib.Path(sys.executable).with_name('pip')
    try:
        index = run(pip, 'config', 'get', 'global.index-url', seconds=60)
    except Failed:  # it names none
        return {}
    return {'UV_DEFAULT_INDEX': index.strip()}
