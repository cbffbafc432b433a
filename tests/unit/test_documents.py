# SPDX-License-Identifier: Apache-2.0
"""The documents name only what exists, and all that has to be named."""

import argparse
import ast
import configparser
import functools
import importlib
import pathlib
import re

import pytest

from cinder_cow import log_line, opts
from cinder_cow.model import Method, RefusalCode, Verification
from cinder_cow.planning import warm_policy

ROOT = pathlib.Path(__file__).parents[2]
SOURCE = ROOT / 'doc' / 'source'
PAGES = {path.stem: path for path in sorted(SOURCE.glob('*.rst'))}
DOCUMENTS = [ROOT / 'README.rst', ROOT / 'CONTRIBUTING.rst', *PAGES.values()]
README_LINES = 180

#: Made by commands that the documents name.
MADE = ('doc/build/html', 'doc/build/man')
#: A path of ours begins with one of these.
FOLDERS = tuple(
    f'{path.name}/'
    for path in ROOT.iterdir()
    if path.is_dir() and path.name not in ('.cache', '.git', '.tox')
)
#: And one inside of the package with one of these.
ROOMS = tuple(
    f'{path.name}/'
    for path in (ROOT / 'cinder_cow').iterdir()
    if path.is_dir() and path.name != '__pycache__'
)
INLINE = re.compile(r'``(.+?)``', re.S)
OPTION = re.compile(r'\bcow_[a-z][a-z_]*[a-z]\b')
#: Of a volume, in Cinder: see cinder_adapter/volume_origin.py.
METADATA_KEYS = {'cow_method', 'cow_reason'}
#: Of an image. The RADOS object of what was warmed bears the same name.
PROPERTIES = {warm_policy.PROPERTY}
#: Commands that cliff itself brings.
OF_CLIFF = {
    'complete': 'cliff.complete:CompleteCommand',
    'help': 'cliff.help:HelpCommand',
}
COMMAND = re.compile(r'\bcinder-cow((?: [a-z][a-z-]*)+)([^\n`]*)')
TOOL = re.compile(r'\btools/(\w+)\.sh\b([^\n`]*)')
FLAG = re.compile(r'(?<![\w-])--[a-z][a-z-]*')
#: A row of the tables of what is promised, and a test that is named there.
PROMISE = re.compile(
    r'^   \* - (?!promise$)(.*(?:\n {7}\S.*)*)\n((?: {5}.*\n)*)', re.M
)
TEST = re.compile(r'``(tests/[\w/.]+)::(test_\w+)``')
CLAIM = re.compile(r'^\* \*\*(.+?)\.?\*\*', re.M)


def named(path):
    return str(path.relative_to(ROOT))


def literals(path):
    """All that is literal in a document: inline, and in indented blocks."""
    text = path.read_text()
    yield from (' '.join(found.split()) for found in INLINE.findall(text))
    for line in text.splitlines():
        if line.startswith('    '):
            yield line.strip()


def paths(path):
    for literal in literals(path):
        for word in re.split(r'[\s"(),:;]+', literal):
            if word.startswith(FOLDERS):
                yield word
            elif word.startswith(ROOMS):
                yield f'cinder_cow/{word}'


documents = pytest.mark.parametrize('path', DOCUMENTS, ids=named)


@documents
def test_every_path_exists(path):
    for word in paths(path):
        assert word in MADE or (ROOT / word).exists(), word


@documents
def test_every_file_of_the_package_exists(path):
    names = {each.name for each in (ROOT / 'cinder_cow').rglob('*.py')}
    for literal in literals(path):
        if re.fullmatch(r'[a-z_]+\.py', literal):
            assert literal in names, literal


@documents
def test_every_option_exists(path):
    known = {opt.name for opt in opts.OPTS} | METADATA_KEYS | PROPERTIES
    # The package itself is cinder_cow: not a word of its own here.
    assert set(OPTION.findall(path.read_text())) <= known


@documents
def test_every_command_exists(path):
    text = path.read_text()
    commands = entry_points()
    for words, rest in COMMAND.findall(text):
        first, *more = words.split()
        # What follows a command of one word is its argument.
        name = first if first in commands else ' '.join([first, *more[:1]])
        assert name in commands, f'cinder-cow {words}'
        known = flags(commands[name])
        for flag in FLAG.findall(rest):
            assert flag in known, f'cinder-cow {name} {flag}'


@documents
def test_every_tool_exists(path):
    for tool, rest in TOOL.findall(path.read_text()):
        script = ROOT / 'tools' / f'{tool}.sh'
        assert script.exists(), tool
        known = script.read_text() + program(tool)
        for flag in FLAG.findall(rest):
            assert f"'{flag}'" in known, f'tools/{tool}.sh {flag}'


@documents
def test_every_kind_of_test_exists(path):
    script = (ROOT / 'tools' / 'test.sh').read_text()
    kinds = re.search(r'usage: tools/test.sh \[([a-z0-9|]+)\]', script)[1]
    for kind in re.findall(r'tools/test\.sh ([a-z0-9]+)', path.read_text()):
        assert kind in kinds.split('|'), kind


def test_table_of_the_kinds_of_tests_is_whole():
    text = (ROOT / 'CONTRIBUTING.rst').read_text().partition('\nTests\n')[2]
    script = (ROOT / 'tools' / 'test.sh').read_text()
    kinds = re.search(r'kinds=\((lint [a-z0-9 ]+)\)', script)[1]

    assert re.findall(r'^   \* - ([a-z0-9]+)$', text, re.M) == [
        'kind',
        *kinds.split(),
    ]


@documents
def test_every_environment_of_tox_exists(path):
    tox = configparser.ConfigParser()
    tox.read(ROOT / 'tox.ini')
    known = {name.removeprefix('testenv:') for name in tox.sections()}
    for name in re.findall(r'\btox -e ([a-z0-9]+)', path.read_text()):
        assert name in known | {'py3'}, name


@documents
def test_documents_are_finished(path):
    text = path.read_text()
    assert 'TODO' not in text
    assert 'To be written' not in text
    assert not re.search(r'@[A-Z]+@', text)


def test_readme_fits_on_a_few_screens():
    readme = (ROOT / 'README.rst').read_text()

    assert len(readme.splitlines()) < README_LINES


def test_every_page_is_in_the_table_of_contents():
    index = PAGES['index'].read_text()
    listed = set(re.findall(r'^   ([a-z_]+)$', index, re.M))

    assert listed == set(PAGES) - {'index'}


def test_readme_names_every_page():
    readme = (ROOT / 'README.rst').read_text()

    for name in set(PAGES) - {'index', 'contributing', 'releasenotes'}:
        assert f'``doc/source/{name}.rst``' in readme, name


def test_table_of_refusal_codes_is_the_enum():
    text = PAGES['decisions'].read_text().partition('\nRefusal codes\n')[2]
    codes = re.findall(r'^   \* - ``([a-z-]+)``', text, re.M)

    assert sorted(codes) == sorted(code.value for code in RefusalCode)


def test_fields_of_the_log_line_are_those_that_are_written():
    page = PAGES['log'].read_text()
    fields = re.findall(r'^   \* - ``(\w+)``', page, re.M)
    written = (ROOT / 'cinder_cow' / 'log_line.py').read_text()

    assert fields == [*re.findall(r"^        '(\w+)':", written, re.M), 'why']
    assert f'The version of the line: {log_line.VERSION}.' in page
    for value in [*Method, *Verification]:
        assert f'``{value.value}``' in page, value


def promises():
    """Each that is promised, and the files and names of its tests."""
    page = PAGES['guarantees'].read_text()
    return {
        ' '.join(promise.split()): TEST.findall(tests)
        for promise, tests in PROMISE.findall(page)
    }


@pytest.mark.parametrize(
    'tests', promises().values(), ids=[each[:50] for each in promises()]
)
def test_every_promise_names_a_test_that_exists(tests):
    assert tests
    for path, name in tests:
        assert name in functions(path), f'{path}::{name}'


@functools.cache
def functions(path):
    return {
        each.name
        for each in ast.walk(ast.parse((ROOT / path).read_text()))
        if isinstance(each, ast.FunctionDef)
    }


def test_every_claim_of_the_readme_is_a_promise():
    claims = CLAIM.findall((ROOT / 'README.rst').read_text())
    promised = list(promises())

    assert len(claims) > 5
    for claim in claims:
        assert any(each.startswith(claim) for each in promised), claim


def entry_points():
    """All commands: by their words, their classes."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / 'setup.cfg')
    lines = setup['entry_points']['cinder_cow.cli'].strip().splitlines()
    found = dict(OF_CLIFF)
    for line in lines:
        name, _, where = (part.strip() for part in line.partition('='))
        found[name.replace('_', ' ')] = where
    return found


def flags(where):
    """The long options of a command."""
    module, _, name = where.partition(':')
    command = getattr(importlib.import_module(module), name)
    parser = command(None, argparse.Namespace()).get_parser('x')
    return {
        flag for action in parser._actions for flag in action.option_strings
    }


def program(tool):
    """The source of what a script starts."""
    folder = ROOT / ('benchmarks' if tool == 'bench' else f'tools/{tool}')
    main = folder / '__main__.py'
    return main.read_text() if main.exists() else ''
