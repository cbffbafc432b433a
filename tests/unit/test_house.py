# SPDX-License-Identifier: Apache-2.0
"""The rules of the house: who may import what, and how large a room is."""

import ast
import pathlib
import sys

import pytest

LICENCE = '# SPDX-License-Identifier: Apache-2.0\n'
ROOT = pathlib.Path(__file__).parents[2]
PACKAGE = ROOT / 'cinder_cow'
FILES = sorted(PACKAGE.rglob('*.py'))
OURS = [
    *FILES,
    *sorted((ROOT / 'benchmarks').rglob('*.py')),
    *sorted((ROOT / 'tools').rglob('*.py')),
]

#: A foreign package, and the only places that may import it.
DOORS = {
    'cinder': ('driver.py', 'cinder_adapter/'),
    'rbd': ('backends/rbd/', 'sources/rbd.py'),
    'rados': ('backends/rbd/',),
    'glanceclient': ('sources/glance.py', 'cli/'),
    'eventlet': ('native.py',),
    'cursive': ('transfer/signatures.py',),
}
#: Places that use the standard library and each other alone.
PURE = (
    'model.py',
    'errors.py',
    'closing.py',
    'planning/',
    'backends/base_names.py',
    'copying/extents.py',
)
#: From the roof down: a file imports only from its own floor or below.
FLOORS = (
    ('driver.py',),
    ('cli/',),
    ('cinder_adapter/',),
    ('wiring.py',),
    ('overwrite.py',),
    ('execute.py',),
    ('base_images/',),
    ('transfer/', 'conversion/'),
    ('sources/',),
    ('backends/rbd/',),
    ('backends/',),
    ('planning/',),
    ('plugins.py', 'opts.py'),
    ('copying/',),
    ('native.py', 'closing.py'),
    ('log_line.py',),
    ('model.py', 'errors.py', '__init__.py'),
)


def imports(path):
    """The dotted names that a file imports, wherever in it."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f'{path}: relative import'
            for alias in node.names:
                yield f'{node.module}.{alias.name}'


def everything_imported(path):
    for file in sorted(path.rglob('*.py')) if path.is_dir() else [path]:
        yield from imports(file)


def place(path):
    return path.relative_to(PACKAGE).as_posix()


def floor(where):
    for number, rooms in enumerate(FLOORS):
        if where.startswith(rooms):
            return number
    raise AssertionError(f'{where} stands on no floor: add it to FLOORS')


def room(name):
    """The file that a dotted name of ours lies in."""
    parts = name.split('.')[1:]
    while parts:
        stem = PACKAGE.joinpath(*parts)
        if stem.with_suffix('.py').exists():
            return place(stem.with_suffix('.py'))
        if (stem / '__init__.py').exists():
            return place(stem / '__init__.py')
        parts.pop()
    return '__init__.py'


@pytest.mark.parametrize('path', FILES, ids=place)
def test_foreign_packages_come_in_by_their_own_door(path):
    for name in imports(path):
        doors = DOORS.get(name.split('.')[0])
        assert doors is None or place(path).startswith(doors), name


@pytest.mark.parametrize('name', PURE)
def test_pure_files_use_the_standard_library_alone(name):
    for imported in everything_imported(PACKAGE / name):
        top = imported.split('.')[0]
        if top == 'cinder_cow':
            assert room(imported).startswith(PURE), imported
        else:
            assert top in sys.stdlib_module_names, imported


@pytest.mark.parametrize('path', FILES, ids=place)
def test_arrows_point_down(path):
    for name in imports(path):
        if name.startswith('cinder_cow'):
            assert floor(room(name)) >= floor(place(path)), name


@pytest.mark.parametrize('path', OURS, ids=lambda p: str(p.relative_to(ROOT)))
def test_rooms_keep_their_size(path):
    text = path.read_text()
    limit = 200 if path.name == 'driver.py' else 400
    assert len(text.splitlines()) <= limit
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            size = node.end_lineno - node.lineno + 1
            assert size <= 40, f'{node.name}: {size} lines'


def test_every_source_file_carries_the_licence():
    tests = sorted((ROOT / 'tests').rglob('*.py'))
    scripts = sorted((ROOT / 'tools').rglob('*.sh'))
    for path in (*OURS, *tests, *scripts):
        text = path.read_text()
        assert not text or '# SPDX-License-Identifier: Apache-2.0\n' in text, (
            path
        )


@pytest.mark.parametrize(
    'path', sorted(ROOT.glob('*.rst')), ids=lambda p: p.name
)
def test_documents_are_finished(path):
    text = path.read_text()
    assert 'TODO' not in text
    assert '@TABLE@' not in text


def test_options_of_librados_are_set_before_it_connects():
    """Set while another thread closes an image, they hang the process."""
    setting = {
        place(path) for path in FILES if 'conf_set(' in path.read_text()
    }

    assert setting == {'backends/rbd/connection.py'}
