# SPDX-License-Identifier: Apache-2.0
import pytest

from cinder_cow.conversion import confinement, selftest
from cinder_cow.conversion.confinement import Confinement

NOT_CONFINED = Confinement(on=False)


def install(folder, monkeypatch, said):
    program = folder / 'qemu-img'
    program.write_text(f'#!/bin/sh\necho "qemu-img: {said}" >&2\nexit 1\n')
    program.chmod(0o755)
    monkeypatch.setenv('PATH', str(folder))


def test_it_names_the_package_of_a_missing_qemu_img(tmp_path, monkeypatch):
    monkeypatch.setenv('PATH', str(tmp_path))
    found, _ = selftest.checks()
    assert found.ok is False
    assert 'qemu-img is not installed' in str(found)
    assert 'Install ' in str(found)


@pytest.mark.parametrize(
    ('said', 'ok'),
    [("Unknown driver 'rbd'", False), ('error connecting: No such', True)],
)
def test_it_knows_whether_qemu_has_rbd(tmp_path, monkeypatch, said, ok):
    install(tmp_path, monkeypatch, said)
    found, _ = selftest.checks(NOT_CONFINED)
    assert found.ok is ok
    assert ok or 'qemu-block-extra' in str(found)


def test_the_real_qemu_img_is_asked_behind_its_wall():
    found, confined = selftest.checks(Confinement(required=True))
    assert found.ok is True
    assert confined.ok is True


@pytest.mark.parametrize(
    ('version', 'required', 'ok', 'words'),
    [
        (0, False, False, 'the only walls'),
        (0, True, False, 'no image that has to be converted can be used'),
        (3, False, False, 'no rules for TCP'),
        (4, True, True, 'yes'),
    ],
)
def test_it_warns_of_a_missing_wall(monkeypatch, version, required, ok, words):
    monkeypatch.setattr(confinement, 'landlock_version', lambda: version)
    _, found = selftest.checks(Confinement(required=required))
    assert found.ok is ok
    assert words in str(found)
    assert ok or found.remedy


def test_it_knows_a_qemu_img_that_does_not_run(tmp_path, monkeypatch):
    install(tmp_path, monkeypatch, 'error while loading shared libraries')
    found, _ = selftest.checks(NOT_CONFINED)
    assert found.ok is False
    assert 'error while loading shared libraries' in found.answer
