# SPDX-License-Identifier: Apache-2.0
"""What `cinder-cow explain` says is what a create then does."""

import contextlib
import json
import logging
import os
import shlex
import subprocess

import openstack
import pytest

from cinder_cow.cli import main
from tests.e2e.bases import cow_options, packed, require_nothing
from tests.waiting import wait_until

MIB = 2**20
AUTO_BYTES = 4 * MIB
#: A descriptor of a volume of ISO 9660 in its sector 16.
ISO = bytes(16 * 2048) + b'\1CD001\1' + bytes(MIB)
CONVERTED = {
    'qcow2': ('qcow2', ()),
    'vmdk': ('vmdk', ('-o', 'subformat=streamOptimized')),
    'vhd': ('vpc', ()),
}
HASHLESS = (
    'UPDATE images SET os_hash_value = NULL, os_hash_algo = NULL,'
    ' checksum = NULL WHERE id = %s'
)
WITHOUT_VIRTUAL_SIZE = 'UPDATE images SET virtual_size = NULL WHERE id = %s'
DEACTIVATED = "UPDATE images SET status = 'deactivated' WHERE id = %s"


def content(size=2 * MIB):
    """Of each image its own, so that none shares a base."""
    return os.urandom(size)


@pytest.fixture(scope='module', autouse=True)
def _options(stack):
    stack.restart_cinder_volume(
        cow_options(stack, cow_base_auto_bytes=AUTO_BYTES), 'eventlet'
    )


@pytest.fixture(scope='module', autouse=True)
def _nothing_is_left(stack, pool):
    yield
    require_nothing(stack, pool)


@pytest.fixture(autouse=True)
def _deleted(tidy):
    yield
    tidy.delete()


@pytest.fixture
def explain(stack, capsys, monkeypatch):
    """What the command tells. Within this process, for speed."""
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)

    def run(*argv, **environment):
        for name, value in (stack.env() | environment).items():
            monkeypatch.setenv(name, value)
        status = main.main([*command(stack, *argv)[1:], '-f', 'json'])
        out, err = capsys.readouterr()
        assert (status, err) == (0, '')
        return json.loads(out)

    yield run
    root.setLevel(level)
    root.handlers[:] = handlers


def command(stack, *argv):
    found = ['cinder-cow', 'explain', *argv, '--backend', 'cow']
    for name in ('cinder.conf', 'cinder-volume.conf'):
        found += ['--config-file', str(stack.folder / 'cinder' / name)]
    return found


def called(stack, *argv):
    return subprocess.run(
        argv,
        env=os.environ | stack.env(),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextlib.contextmanager
def configured(stack, lines):
    """With more options, for the command alone."""
    conf = stack.folder / 'cinder' / 'cinder-volume.conf'
    kept = conf.read_text()
    conf.write_text(f'{kept}\n{lines}\n')
    try:
        yield
    finally:
        conf.write_text(kept)


@pytest.fixture
def make(tidy, tmp_path):
    """Makes an image of converted content."""

    def image(disk_format, **options):
        driver, how = CONVERTED[disk_format]
        disk = packed(tmp_path, driver, options=how)
        return tidy.image(disk.file, disk_format=disk_format, **options)

    return image


def raw_in_the_volumes_cluster(tidy, make, stack):
    return tidy.image(content())


def iso_in_the_volumes_cluster(tidy, make, stack):
    return tidy.image(ISO, disk_format='iso')


def raw_in_a_file(tidy, make, stack):
    return tidy.image(content(), store='disk')


def raw_in_another_cluster(tidy, make, stack):
    return tidy.image(content(), store='far')


def raw_without_a_hash(tidy, make, stack):
    image = tidy.image(content(), store='disk')
    stack.sql('glance', HASHLESS, image)
    return image


def raw_too_large_for_a_base(tidy, make, stack):
    return tidy.image(content(2 * AUTO_BYTES), store='disk')


def qcow2_in_the_volumes_cluster(tidy, make, stack):
    return make('qcow2')


def qcow2_without_a_hash(tidy, make, stack):
    image = make('qcow2')
    stack.sql('glance', HASHLESS, image)
    return image


def qcow2_that_has_a_base(tidy, make, stack):
    image = make('qcow2', store='disk')
    tidy.volume('cow', image)
    return image


def vmdk_in_a_file(tidy, make, stack):
    return make('vmdk', store='disk')


def vhd_in_another_cluster(tidy, make, stack):
    return make('vhd', store='far')


def disk_in_an_ovf(tidy, make, stack):
    return tidy.image(content(), container_format='ovf')


@pytest.mark.parametrize(
    ('kind', 'method', 'reason', 'following'),
    [
        (raw_in_the_volumes_cluster, 'clone', 'cloneable', 'clone'),
        (iso_in_the_volumes_cluster, 'clone', 'cloneable', 'clone'),
        (raw_in_a_file, 'build-base', 'not-rbd', 'clone-base'),
        (raw_in_another_cluster, 'build-base', 'other-cluster', 'clone-base'),
        (raw_without_a_hash, 'build-base', 'not-rbd', 'clone-base'),
        (raw_too_large_for_a_base, 'stream', 'not-rbd', 'stream'),
        (qcow2_in_the_volumes_cluster, 'build-base', 'not-raw', 'clone-base'),
        (qcow2_without_a_hash, 'build-base', 'not-raw', 'clone-base'),
        (qcow2_that_has_a_base, 'clone-base', 'not-raw', 'clone-base'),
        (vmdk_in_a_file, 'build-base', 'not-raw', 'clone-base'),
        (vhd_in_another_cluster, 'build-base', 'not-raw', 'clone-base'),
        (disk_in_an_ovf, 'delegate', 'container-format', 'delegate'),
    ],
    ids=lambda value: getattr(value, '__name__', None),
)
def test_create_does_what_was_explained(
    kind, method, reason, following, tidy, make, stack, log, explain
):
    image = kind(tidy, make, stack)
    before = len(log.lines('volume from image'))

    told = explain(image)
    volume = tidy.volume('cow', image)

    assert (told['Plan'], told['Reason']) == (method, reason)
    line = log.lines('volume from image')[before]
    assert f'volume={volume} ' in line
    assert f' method={method} reason={reason} ' in line
    assert f' verification={told["Verification"][0]} ' in f'{line} '
    if told['Source']:
        assert f' source={told["Source"]} ' in line
    assert explain(image)['Plan'] == following


def queued(tidy, make, stack):
    return tidy.cloud.connection.image.post(
        '/images',
        json={'name': 'e2e', 'disk_format': 'raw', 'container_format': 'bare'},
    ).json()['id']


def deactivated(tidy, make, stack):
    image = tidy.image(content())
    stack.sql('glance', DEACTIVATED, image)
    return image


def of_two_gib(tidy, make, stack):
    disk = stack.folder / 'two-gib'
    create = ['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '2G']
    subprocess.run(create, check=True)
    return tidy.image(disk.read_bytes(), disk_format='qcow2')


def that_asks_for_two_gib(tidy, make, stack):
    return tidy.image(content(), min_disk=2)


@pytest.mark.parametrize(
    ('kind', 'reason', 'words'),
    [
        (queued, 'ImageNotActive', "'queued'"),
        (deactivated, 'ImageNotActive', '--activate'),
        (of_two_gib, 'ImageTooBig', 'at least 2 GiB'),
        (that_asks_for_two_gib, 'VolumeTooSmall', 'at least 2 GiB'),
    ],
    ids=lambda value: getattr(value, '__name__', None),
)
def test_what_is_explained_as_an_error_is_refused(
    kind, reason, words, tidy, make, stack, explain
):
    image = kind(tidy, make, stack)

    told = explain(image, '--size', '1')

    assert (told['Plan'], told['Reason']) == ('error', reason)
    assert words in told['Why'][0]['reason']
    with pytest.raises(openstack.exceptions.BadRequestException):
        tidy.begin('cow', image)


def test_size_that_only_the_build_found_is_known_the_next_time(
    tidy, make, stack, log, explain
):
    image = of_two_gib(tidy, make, stack)
    stack.sql('glance', WITHOUT_VIRTUAL_SIZE, image)
    assert explain(image)['Plan'] == 'build-base'

    volume = tidy.volume('cow', image, expect='error')

    assert log.lines('ERROR', f'volume={volume}', 'at least 2 GiB')
    told = explain(image)
    assert (told['Plan'], told['Reason']) == ('error', 'ImageTooBig')
    assert told['Last build']['kind'] == 'ImageTooBig'
    assert explain(image, '--size', '2')['Plan'] == 'build-base'


def test_remedy_of_a_foreign_store_makes_a_clone_of_it(
    tidy, cloud, stack, explain
):
    image = tidy.image(content(), store='disk')
    (located,) = explain(image)['Locations']
    assert located['location'] == 'file://...'
    assert located['verdict'] == 'not-rbd'

    remedy = located['remedy'].partition(': ')[2]
    remedy = remedy.replace('STORE', 'ceph').replace('IMAGE', image)
    done = called(stack, *shlex.split(remedy))
    assert done.returncode == 0, done.stderr

    # Glance copies it after the command has ended.
    wait_until(lambda: explain(image)['Plan'] == 'clone', pause_seconds=1)
    assert [each['verdict'] for each in explain(image)['Locations']] == [
        'not-rbd',
        'here',
    ]


def test_image_is_found_by_its_name(tidy, stack, explain):
    image = tidy.image(content())
    assert explain('e2e')['Image'] == image
    assert explain(image[:8])['Image'] == image

    tidy.image(content())
    done = called(stack, *command(stack, 'e2e'))
    assert done.returncode == 1
    assert done.stderr.startswith("2 images are meant by 'e2e'")
    assert image in done.stderr


def test_table_has_all_images_of_the_cloud(tidy, demo, make, stack, explain):
    images = [
        tidy.image(content()),
        tidy.image(content(), store='far', cloud=demo, visibility='private'),
        tidy.image(content(), store='disk', os_hidden=True),
        queued(tidy, make, stack),
    ]

    rows = {each['Image']: each for each in explain('--all')}

    assert [(rows[each]['Store'], rows[each]['Plan']) for each in images] == [
        ('ceph', 'clone'),
        ('far', 'build-base'),
        ('disk', 'build-base'),
        ('', 'error'),
    ]


def test_user_of_the_environment_is_told_of_the_section(stack, tidy, explain):
    image = tidy.image(content())

    with configured(stack, '[glance]\nauth_type ='):
        told = explain(image, OS_USERNAME='demo', OS_PROJECT_NAME='demo')

    assert told['Asked as'].startswith('the user of the OS_* variables')
    assert (told['Plan'], told['Reason']) == ('build-base', 'no-location')
    assert '[glance] section' in told['Why'][0]['remedy']


def test_remedy_of_lacking_roles_shows_the_locations(
    stack, tidy, cloud, explain
):
    image = tidy.image(content())
    identity = cloud.connection.identity
    user = identity.create_user(name='lone', password='secret')
    project = identity.find_project('service')
    reader = identity.find_role('reader')
    identity.assign_project_role_to_user(project, user, reader)
    try:
        with configured(stack, '[glance]\nusername = lone\npassword = secret'):
            (why,) = explain(image)['Why']
            assert 'lacks the roles service and admin' in why['reason']
            for remedy in why['remedy'].split('; '):
                done = called(stack, *shlex.split(remedy))
                assert done.returncode == 0, done.stderr

            assert explain(image)['Plan'] == 'clone'
    finally:
        identity.delete_user(user)
