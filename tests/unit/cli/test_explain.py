# SPDX-License-Identifier: Apache-2.0
"""The command, with a Glance on a local port and a backend in memory."""

import contextlib
import json
import logging

import pytest

from cinder_cow import backends
from cinder_cow.backends.base_store import BuildRecord
from cinder_cow.cli import configuration, explain, glance_access, main
from cinder_cow.cli.explain_text import wrapped
from cinder_cow.model import SnapshotRef
from cinder_cow.transfer import signatures
from tests.fakes.bases import MemoryBases
from tests.fakes.image_api import ImageApi

GIB = 2**30
RAW, QCOW2, AWAY = '1' * 8 + '-raw', '2' * 8 + '-qcow2', '3' * 8 + '-away'
HASH = 'ab' * 64
BASE = f'cow-base-qcow2-sha512-{HASH}'
CONF = f"""
[DEFAULT]
enabled_backends = ceph
glance_api_servers = {{url}}
{{default}}
[ceph]
volume_driver = {configuration.DRIVER}
rbd_pool = volumes
cow_sources = glance
{{backend}}
[glance]
{{glance}}
"""


@pytest.fixture(autouse=True)
def _quiet():
    root = logging.getLogger()
    level, handlers = root.level, list(root.handlers)
    yield
    root.setLevel(level)
    root.handlers[:] = handlers


@pytest.fixture
def api(monkeypatch):
    for name in glance_access.ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    with contextlib.closing(ImageApi()) as api:
        yield api


@pytest.fixture
def store(backend, monkeypatch):
    store = MemoryBases(backend)
    backend.bases = lambda: store
    monkeypatch.setattr(backends, 'from_options', lambda options: backend)
    return store


@pytest.fixture
def image(api, backend):
    """Adds an image to Glance: active, and raw in the volumes' cluster."""

    def add(image_id, **changes):
        urls = changes.pop('urls', None)
        if urls is None:
            urls = [f'rbd://{backend.fsid}/images/{image_id}/snap']
            ref = SnapshotRef(backend.fsid, 'images', image_id, 'snap')
            backend.images[ref] = b'D0D-' * 1024
        api.images[image_id] = {
            'name': f'name of {image_id}',
            'status': 'active',
            'disk_format': 'raw',
            'container_format': 'bare',
            'size': 4096,
            'os_hash_algo': 'sha512',
            'os_hash_value': HASH,
            'stores': 'ceph',
            **changes,
        }
        api.locations[image_id] = urls
        return image_id

    return add


@pytest.fixture
def run(api, store, tmp_path, capsys):
    """Runs the command; answers its exit status, its output and errors."""
    path = tmp_path / 'cinder.conf'

    def call(*argv, backend='', default='', login=None):
        login = api.login() if login is None else login
        text = CONF.format(
            url=api.url,
            backend=backend,
            default=default,
            glance='\n'.join(f'{key} = {login[key]}' for key in login),
        )
        path.write_text(text)
        app = main.Cow()
        app.command_manager.add_command('explain', explain.Explain)
        status = app.run(['explain', *argv, '--config-file', str(path)])
        return status, *capsys.readouterr()

    return call


@pytest.fixture
def told(run):
    def call(*argv, **conf):
        status, out, err = run(*argv, '-f', 'json', **conf)
        assert (status, err) == (0, '')
        return json.loads(out)

    return call


def test_image_in_the_volumes_cluster_is_cloned(told, image, backend):
    found = told(image(RAW))

    assert (found['Plan'], found['Reason']) == ('clone', 'cloneable')
    assert found['Locations'] == [
        {'location': f'images/{RAW}@snap', 'verdict': 'here'}
    ]
    assert (found['Bytes to move'], found['Seconds']) == (0, 0)
    assert found['Verification'] == ['shared']
    assert found['First volume'] == found['Next volume']
    assert not backend.volumes, 'something was made'


def test_image_of_another_format_gets_a_base(told, image, store):
    found = told(image(QCOW2, disk_format='qcow2'))

    assert (found['Plan'], found['Reason']) == ('build-base', 'not-raw')
    assert found['Base'] == {'name': BASE, 'exists': False}
    (why,) = found['Why']
    assert why['code'] == 'not-raw'
    assert 'qemu-img convert' in why['remedy']
    assert found['Locations'][0]['verdict'] == 'here'
    # It lies here, and its base is for all images of that hash.
    assert (found['Source'], found['Verification']) == ('rbd', ['hash'])
    assert found['Bytes to move'] == 4096
    assert found['Seconds'] is None
    assert '4.0 KiB are read' in found['First volume']
    assert 'nothing is copied' in found['Next volume']
    assert not store.things


def test_seconds_are_those_of_past_builds(told, image, store):
    store.add('cow-base-x', source='rbd', seconds=2.0, stored_bytes=1024)

    assert told(image(QCOW2, disk_format='qcow2'))['Seconds'] == 8.0


def test_base_that_is_there_is_cloned(told, image, store):
    store.add(BASE, b'b' * 100)

    found = told(image(QCOW2, disk_format='qcow2'))

    assert found['Plan'] == 'clone-base'
    assert found['Base'] == {'name': BASE, 'exists': True}
    assert found['Bytes to move'] == 0


def test_every_location_has_its_verdict_and_no_secret(told, image, backend):
    urls = [
        'swift+https://user:secret@host/bucket/object?sig=secret',
        f'rbd://other-cluster/images/{AWAY}/snap',
        f'rbd://{backend.fsid}/volumes/{AWAY}/snap',
    ]

    found = told(image(AWAY, urls=urls))

    assert [
        (each['location'], each['verdict']) for each in found['Locations']
    ] == [
        ('swift+https://...', 'not-rbd'),
        (f'images/{AWAY}@snap', 'other-cluster'),
        (f'volumes/{AWAY}@snap', 'pool-not-allowed'),
    ]
    assert all(each['remedy'] for each in found['Locations'])
    assert 'secret' not in json.dumps(found)
    assert found['Why'] == []
    assert (found['Plan'], found['Source']) == ('build-base', 'glance')


@pytest.mark.parametrize(
    ('options', 'changes', 'why'),
    [
        ('cow_base_images = never', {}, 'cow_base_images'),
        ('cow_base_auto_bytes = 100', {}, 'cow_base_auto_bytes'),
        ('', {'size': 0}, 'size'),
    ],
)
def test_copy_is_told_with_why_there_is_no_base(
    run, told, image, options, changes, why
):
    image(AWAY, urls=['file:///images/x'], **changes)

    found = told(AWAY, backend=options)
    _status, table, _err = run(AWAY, backend=options)

    assert (found['Plan'], found['Reason']) == ('stream', 'not-rbd')
    assert found['Base'] is None
    assert why in table.partition('| Base ')[2].partition('\n')[0]
    assert found['Next volume'].startswith('the same')


def test_replicated_volume_is_a_copy(told, image):
    found = told(image(RAW), '--replicated', backend='cow_sources = glance')

    assert (found['Plan'], found['Reason']) == ('stream', 'replicated')
    assert found['Bytes to move'] == 4096


def test_replicated_clone_of_a_base_is_flattened(told, image, store):
    store.add(BASE, b'b' * 100, stored_bytes=100)

    found = told(image(QCOW2, disk_format='qcow2'), '--replicated')

    assert found['Plan'] == 'clone-base'
    assert (found['Bytes to move'], found['Seconds']) == (100, None)
    assert 'flattened' in found['Next volume']


def test_container_is_left_to_cinder(told, image):
    found = told(image(RAW, container_format='ovf'))

    assert (found['Plan'], found['Reason']) == ('delegate', 'container-format')
    assert found['Format'] == 'raw in ovf'
    assert found['Verification'] == ['delegated']
    assert found['Bytes to move'] == 4096


SIGNATURE = dict.fromkeys(signatures.PROPERTIES, 'x')


def test_signed_image_is_read_to_be_verified(told, image):
    found = told(image(RAW, **SIGNATURE))

    assert (found['Plan'], found['Reason']) == ('build-base', 'signed')
    assert found['Verification'] == ['hash', 'signature']


def test_signature_that_does_not_count_is_not_verified(told, image):
    found = told(
        image(QCOW2, disk_format='qcow2', **SIGNATURE),
        default='verify_glance_signatures = disabled',
    )

    assert found['Base']['name'] == BASE
    assert found['Verification'] == ['hash']


@pytest.mark.parametrize(
    ('changes', 'conf', 'argv', 'reason', 'words'),
    [
        ({'size': 2 * GIB}, {}, ['--size', '1'], 'ImageTooBig', '2 GiB'),
        ({'min_disk': 3}, {}, ['--size', '2'], 'VolumeTooSmall', '3 GiB'),
        ({'status': 'queued'}, {}, [], 'ImageNotActive', 'image-upload'),
        (
            {'disk_format': 'qcow2'},
            {'default': 'image_conversion_disable = True'},
            [],
            'ConversionDisabled',
            'image_conversion_disable',
        ),
        (
            {'disk_format': 'qcow2', 'container_format': 'ovf'},
            {'default': 'image_conversion_disable = True'},
            [],
            'ConversionDisabled',
            'image_conversion_disable',
        ),
        (
            {'os_hash_value': None, 'checksum': None, 'disk_format': 'vhd'},
            {'backend': 'cow_require_hash = True'},
            [],
            'ImageUnacceptable',
            'cow_require_hash',
        ),
        ({'img_signature': 'x'}, {}, [], 'SignatureInvalid', 'has no img'),
        (
            {'urls': ['file:///x']},
            {'backend': 'cow_sources ='},
            [],
            'SourceUnreachable',
            'cow_sources is empty',
        ),
    ],
)
def test_what_a_create_would_end_with_is_the_plan(
    told, image, changes, conf, argv, reason, words
):
    found = told(image(RAW, **changes), *argv, **conf)

    assert (found['Plan'], found['Reason']) == ('error', reason)
    assert words in found['Why'][0]['reason']
    assert found['Bytes to move'] is None


def test_last_build_tells_its_failure(told, image, store):
    image(QCOW2, disk_format='qcow2')
    store.set_build_record(
        BASE, BuildRecord(2, 'StorageFull', 'no room', image_id=QCOW2)
    )

    found = told(QCOW2)

    assert found['Plan'] == 'build-base'
    assert found['Last build']['cause'] == 'no room'
    assert found['Last build']['failures'] == 2


def test_build_that_goes_on_is_told(run, image, store):
    image(QCOW2, disk_format='qcow2')
    store.set_build_record(BASE, BuildRecord(image_id=QCOW2))

    _status, out, _err = run(QCOW2)

    assert 'goes on since 1970-01-01T00:00:00Z' in out


def test_disk_that_an_earlier_build_found_too_big_is_known(told, image, store):
    image(QCOW2, disk_format='qcow2')
    record = BuildRecord(image_id=QCOW2, virtual_bytes=5 * GIB)
    store.set_build_record(BASE, record)

    assert told(QCOW2)['Reason'] == 'ImageTooBig'
    assert told(QCOW2, '--size', '5')['Plan'] == 'build-base'


def test_roles_that_are_lacking_are_given_by_the_remedy(told, api, image):
    image(RAW)
    del api.locations[RAW]
    api.roles = ['reader', 'service']

    found = told(RAW)

    assert found['Reason'] == 'no-location'
    assert found['Asked as'].endswith('its roles: reader, service')
    assert found['Why'] == [
        {
            'code': 'no-location',
            'reason': 'Glance shows no location of the image to the user of'
            ' the [glance] section, which lacks the roles admin',
            'remedy': 'openstack role add --user u --project p admin',
        }
    ]


def test_user_of_the_environment_is_given_no_role(
    told, api, image, monkeypatch
):
    image(RAW)
    del api.locations[RAW]
    api.roles = ['reader']
    for name, value in api.login().items():
        monkeypatch.setenv(f'OS_{name.upper()}', value)

    found = told(RAW, login={})

    assert found['Asked as'] == (
        'the user of the OS_* variables; its roles: reader'
    )
    assert found['Why'][0]['remedy'].startswith('Add a [glance] section')


def test_image_is_found_by_name_and_by_the_beginning_of_its_id(told, image):
    image(RAW, name='cirros')
    image(QCOW2, name='hidden', os_hidden=True)

    assert told('cirros')['Image'] == RAW
    assert told('hidden')['Image'] == QCOW2
    assert told(RAW[:8])['Image'] == RAW


def test_name_of_two_images_lists_their_ids(run, image):
    image(RAW, name='cirros')
    image(QCOW2, name='cirros')

    status, out, err = run('cirros')

    assert (status, out) == (1, '')
    assert "2 images are meant by 'cirros'" in err
    assert f'{RAW}, {QCOW2}' in err


@pytest.mark.parametrize(
    ('roles', 'remedy'),
    [(['admin'], 'openstack image list'), (['reader'], 'role add')],
)
def test_image_that_is_not_shown_names_the_user(run, api, roles, remedy):
    api.roles = roles

    status, _out, err = run('nowhere')

    assert status == 1
    assert f'the user of the [glance] section (roles: {roles[0]})' in err
    assert remedy in err


@pytest.mark.parametrize('argv', [[RAW], ['--all']])
def test_glance_that_does_not_answer_is_one_line(run, argv):
    status, out, err = run(
        *argv, backend='[DEFAULT]\nglance_api_servers = http://127.0.0.1:1'
    )

    assert (status, out) == (1, '')
    assert err.startswith('Could not ask Glance at http://127.0.0.1:1: ')
    assert 'glance_api_servers' in err
    assert len(err.splitlines()) == 1


def test_storage_that_fails_ends_the_command(run, image, backend):
    backend.failing.add('cloneable')

    status, out, err = run(image(RAW))

    assert (status, out) == (1, '')
    assert err.startswith('Could not cloneable: injected.')


def test_table_for_people_fits_into_100_columns(run, image):
    urls = ['file:///images/x', 'rbd://x', f'rbd://far/images/{AWAY}/snap']
    image(AWAY, urls=urls, name='x' * 500, disk_format='qcow2', **SIGNATURE)

    for argv in ([AWAY], ['--all']):
        _status, out, _err = run(*argv)
        assert max(map(len, out.splitlines())) <= 100


def test_all_images_are_in_the_table(run, image, api):
    image(RAW)
    image(QCOW2, disk_format='qcow2', os_hidden=True)
    image(AWAY, status='queued', disk_format=None, size=None, urls=[])

    status, out, err = run('--all', '-f', 'json')

    assert (status, err) == (0, '')
    rows = {each['Image']: each for each in json.loads(out)}
    assert rows[RAW] == {
        'Image': RAW,
        'Name': f'name of {RAW}',
        'Format': 'raw',
        'Size': 4096,
        'Store': 'ceph',
        'Plan': 'clone',
        'Reason': 'cloneable',
    }
    assert (rows[QCOW2]['Plan'], rows[AWAY]['Plan']) == ('build-base', 'error')
    assert "'queued'" in rows[AWAY]['Reason']


def test_image_that_cannot_be_asked_for_hides_no_other(
    run, image, backend, caplog
):
    image(RAW)
    image(AWAY, status='queued')
    backend.failing.add('cloneable')

    status, out, _err = run('--all', '-f', 'json')

    assert status == 1
    plans = {each['Image']: each['Plan'] for each in json.loads(out)}
    assert plans == {RAW: 'unknown', AWAY: 'error'}
    assert f'{RAW}: Could not cloneable: injected' in caplog.text


def test_ids_are_shortened_for_people_and_still_differ(run, image):
    ids = [f'aaaaaaaa-bbb{each}-cccc' for each in (1, 2)]
    for each in ids:
        image(each)

    _status, table, _err = run('--all')
    _status, long, _err = run('--all', '--long')

    assert '| aaaaaaaa-bbb1 |' in table
    assert f'| {ids[0]} |' in long


def test_thousands_of_images_are_told(run, image):
    for each in range(1200):
        image(f'{each:08}-x')

    status, out, _err = run('--all', '-f', 'csv')

    assert status == 0
    assert out.count('cloneable') == 1200


def test_csv_is_for_all_images_alone(run, image):
    status, out, err = run(image(RAW), '-f', 'csv')

    assert (status, out) == (1, '')
    assert '-f csv is for --all' in err


@pytest.mark.parametrize('argv', [[], [RAW, '--all'], ['--size', '0', RAW]])
def test_wrong_arguments_end_with_2(run, argv):
    with pytest.raises(SystemExit) as caught:
        run(*argv)

    assert caught.value.code == 2


def test_lines_of_a_text_are_kept_and_indented():
    assert wrapped('a\n  b c', 3) == 'a\n  b\n  c'
