# SPDX-License-Identifier: Apache-2.0
"""Images by qemu-img, and the same spoilt by hand."""

import struct
import subprocess

import pytest

from cinder_cow import errors
from cinder_cow.backends.base_store import Readable
from cinder_cow.conversion import detection, header_check
from cinder_cow.model import ImageInfo
from tests.corpus import hostile

MIB = 2**20
SIZE = 6 * MIB
GOOD = {
    'qcow2': ('qcow2', ()),
    'qcow2 compat 0.10': ('qcow2', ('-o', 'compat=0.10')),
    'qcow2 compressed': ('qcow2', ('-c',)),
    'qcow2 small clusters': ('qcow2', ('-o', 'cluster_size=512')),
    'qcow2 extended': ('qcow2', ('-o', 'extended_l2=on')),
    'qcow2 extended, compressed': (
        'qcow2',
        ('-c', '-o', 'extended_l2=on,compression_type=zstd,cluster_size=128k'),
    ),
    'vmdk': ('vmdk', ()),
    'vmdk streamed': ('vmdk', ('-o', 'subformat=streamOptimized')),
    'vhd': ('vhd', ()),
    'vhd fixed': ('vhd', ('-o', 'subformat=fixed')),
    'vhdx': ('vhdx', ()),
    'vdi': ('vdi', ()),
    'qed': ('qed', ()),
    'ploop': ('ploop', ()),
}
QEMU = {'vhd': 'vpc', 'ploop': 'parallels'}


class Content(Readable):
    def __init__(self, content):
        self.content = bytes(content)
        self.read_bytes = 0

    @property
    def size_bytes(self):
        return len(self.content)

    def read_at(self, offset, length):
        found = self.content[offset : offset + length]
        self.read_bytes += len(found)
        return found

    def close(self):
        pass


def image(disk_format):
    return ImageInfo('image-1', 'active', disk_format, 'bare')


def check(disk_format, content):
    header_check.require_safe(image(disk_format), Content(content))


def refusal(disk_format, content):
    with pytest.raises(errors.ImageUnacceptable) as caught:
        check(disk_format, content)
    assert 'image-1' in str(caught.value)
    return caught.value.reason


@pytest.fixture(scope='module')
def make(tmp_path_factory):
    """The bytes of an image of a kind, of a disk with data here and there."""
    folder = tmp_path_factory.mktemp('images')
    raw = folder / 'raw'
    disk = bytearray(SIZE)
    for start in range(0, SIZE, MIB):
        disk[start : start + 65536] = bytes([1 + start // MIB]) * 65536
    raw.write_bytes(disk)
    made = {}

    def make(kind):
        if kind not in made:
            disk_format, more = GOOD[kind]
            driver = QEMU.get(disk_format, disk_format)
            path = folder / kind.replace(' ', '-').replace(',', '')
            subprocess.run(
                ['qemu-img', 'convert', '-f', 'raw', '-O', driver, *more]
                + [raw, path],
                check=True,
            )
            made[kind] = path.read_bytes()
        return bytearray(made[kind])

    return make


def created(folder, *arguments):
    subprocess.run(
        ['qemu-img', 'create', '-q', *arguments], check=True, cwd=folder
    )


@pytest.mark.parametrize('kind', GOOD)
def test_what_qemu_makes_is_safe(make, kind):
    check(GOOD[kind][0], make(kind))


@pytest.mark.parametrize('kind', GOOD)
def test_another_declared_format_is_named_with_the_true_one(make, kind):
    true = GOOD[kind][0]
    for declared in {'qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi', 'qed', 'ploop'}:
        if declared != true:
            reason = refusal(declared, make(kind))
            assert f'it is declared {declared}, and its content is' in reason
            if kind != 'vhd fixed':  # its footer is at its end alone
                assert f'content is {true}' in reason


@pytest.mark.parametrize('declared', ['qcow2', 'vmdk', 'vhd', 'vhdx', 'vdi'])
@pytest.mark.parametrize('content', [b'', b'\0' * 5, b'no disk' * 99])
def test_what_is_no_image_at_all_is_refused(declared, content):
    assert refusal(declared, content)


def test_a_backing_file_is_refused(tmp_path):
    created(tmp_path, '-f', 'raw', 'base', '1M')
    back = ('-b', 'base', '-F', 'raw')
    created(tmp_path, '-f', 'qcow2', *back, 'a.qcow2')
    created(tmp_path, '-f', 'qed', *back, 'a.qed')
    created(tmp_path, '-f', 'vmdk', 'base.vmdk', '1M')
    created(tmp_path, '-f', 'vmdk', '-b', 'base.vmdk', '-F', 'vmdk', 'a.vmdk')
    qcow2 = refusal('qcow2', (tmp_path / 'a.qcow2').read_bytes())
    assert 'it has a backing file' in qcow2
    qed = refusal('qed', (tmp_path / 'a.qed').read_bytes())
    assert 'it has a backing file' in qed
    vmdk = refusal('vmdk', (tmp_path / 'a.vmdk').read_bytes())
    assert 'it has a parent' in vmdk


def test_a_data_file_is_refused(tmp_path):
    created(
        tmp_path, '-f', 'qcow2', '-o', 'data_file=d,data_file_raw=on', 'a',
        '1M',
    )  # fmt: skip
    reason = refusal('qcow2', (tmp_path / 'a').read_bytes())
    assert 'data_file' in reason


@pytest.mark.parametrize('bit', [5, 17, 63])
def test_an_unknown_feature_of_qcow2_is_refused(make, bit):
    content = make('qcow2')
    content[72:80] = struct.pack('>Q', 1 << bit)
    assert 'features that are not known' in refusal('qcow2', content)


def test_an_unknown_version_of_qcow2_is_refused(make):
    content = make('qcow2')
    content[4:8] = struct.pack('>I', 4)
    assert 'its qcow2 version is 4' in refusal('qcow2', content)


@pytest.mark.parametrize('method', [1, 2])
def test_an_encrypted_qcow2_is_refused(make, method):
    content = make('qcow2')
    content[32:36] = struct.pack('>I', method)
    reason = refusal('qcow2', content)
    assert f'it is encrypted (qcow2 crypt method {method})' in reason


def test_a_flat_vmdk_is_refused(tmp_path):
    created(
        tmp_path, '-f', 'vmdk', '-o', 'subformat=monolithicFlat', 'a.vmdk',
        '1M',
    )  # fmt: skip
    reason = refusal('vmdk', (tmp_path / 'a.vmdk').read_bytes())
    assert 'it has no header of a sparse vmdk (KDMV)' in reason


def test_a_vmdk_that_names_a_path_is_refused(make):
    content = make('vmdk').replace(b'"vmdk"', b'"/etc"')
    assert 'no plain file name' in refusal('vmdk', content)


def test_a_damaged_header_is_refused(make):
    content = make('vhdx')
    content[192 * 1024 : 192 * 1024 + 4] = b'XXXX'
    assert 'its header is damaged' in refusal('vhdx', content)
    content = make('vmdk')
    content[28:36] = struct.pack('<Q', 99)
    assert 'its descriptor begins at sector 99' in refusal('vmdk', content)


def test_a_difference_to_another_vhd_is_refused(make):
    content = make('vhd')
    content[60:64] = struct.pack('>I', 4)
    assert 'vhd of the type 4' in refusal('vhd', content)


def with_footer(content):
    """As VMware streams: the header refers to a footer at the end."""
    header = content[:512]
    content[56:64] = struct.pack('<Q', 2**64 - 1)
    marker = struct.pack('<QII', 1, 0, 3).ljust(512, b'\0')
    return content + marker + header + bytes(512)


def test_the_footer_of_a_streamed_vmdk_is_read_at_its_end(make):
    content = with_footer(make('vmdk streamed'))
    check('vmdk', content)
    content[-1536 + 12] = 9
    assert 'it has no footer' in refusal('vmdk', content)


def test_little_is_read_of_a_large_image(make):
    content = with_footer(make('vmdk streamed'))
    middle = Content(content[:-1536] + bytes(99 * MIB) + content[-1536:])
    header_check.require_safe(image('vmdk'), middle)
    assert middle.read_bytes < 3 * MIB


def test_metadata_that_lies_too_far_is_not_looked_for(make):
    content = make('vhdx')
    entry = 192 * 1024 + 16
    for start in (entry, entry + 32):
        content[start + 16 : start + 24] = struct.pack('<Q', 2**40)
    far = Content(content + bytes(80 * MIB))
    with pytest.raises(errors.ImageUnacceptable):
        header_check.require_safe(image('vhdx'), far)
    assert far.read_bytes < 70 * MIB


CUT = ['qcow2', 'qcow2 compat 0.10', 'qcow2 compressed', 'vmdk', 'vdi']


@pytest.mark.parametrize('kind', [*CUT, 'qcow2 small clusters', 'ploop'])
@pytest.mark.parametrize('part', [0.5, 0.8])
def test_an_image_that_is_cut_off_is_refused(make, kind, part):
    content = make(kind)
    cut = content[: int(len(content) * part)]
    assert 'it is cut off' in refusal(GOOD[kind][0], cut)


def test_a_table_that_is_cut_off_is_refused(make):
    content = make('qcow2')
    (first,) = struct.unpack_from('>Q', content, 40)
    assert 'and a table' in refusal('qcow2', content[: first + 4])
    (second,) = struct.unpack_from('>Q', content, first)
    second &= (1 << 56) - 512
    assert 'and a table' in refusal('qcow2', content[: second + 512])


def test_a_table_that_points_behind_the_end_is_refused(make):
    content = make('qcow2')
    (first,) = struct.unpack_from('>Q', content, 40)
    content[first : first + 8] = struct.pack('>Q', 1 << 50)
    assert 'it is cut off' in refusal('qcow2', content)


@pytest.mark.parametrize('size', [2**50, 2**60, 2**63])
def test_a_virtual_size_that_its_tables_do_not_cover_is_refused(make, size):
    content = make('qcow2')
    content[24:32] = struct.pack('>Q', size)
    assert 'its virtual size' in refusal('qcow2', content)


def test_only_qemu_knows_the_size_of_other_formats(make):
    found = Content(make('vmdk'))
    assert header_check.disk_bytes(image('vmdk'), found) is None


def test_a_failure_of_the_storage_is_passed_on():
    class Broken(Content):
        def read_at(self, offset, length):
            raise errors.StorageError('read', OSError('x'))

    with pytest.raises(errors.StorageError):
        header_check.require_safe(image('qcow2'), Broken(b'x'))


@pytest.mark.parametrize('kind', GOOD)
def test_no_failure_of_the_storage_is_a_fault_of_the_image(make, kind):
    """Whichever of the reads it is that fails."""

    class Failing(Content):
        reads_left = None

        def read_at(self, offset, length):
            if self.reads_left == 0:
                raise errors.StorageError('read', OSError('x'))
            if self.reads_left is not None:
                self.reads_left -= 1
            return super().read_at(offset, length)

    content = make(kind)
    for before in range(1000):
        failing = Failing(content)
        failing.reads_left = before
        try:
            header_check.require_safe(image(GOOD[kind][0]), failing)
        except errors.StorageError:
            continue
        assert before  # it has read all that it wants
        return
    raise AssertionError('it reads without end')


@pytest.mark.parametrize('kind', ['qcow2', 'vmdk', 'vdi', 'ploop'])
def test_disk_of_exactly_the_volumes_size_fits(make, kind):
    content = Content(make(kind))

    header_check.require_safe(image(GOOD[kind][0]), content, SIZE)
    with pytest.raises(errors.ImageTooBig):
        header_check.require_safe(image(GOOD[kind][0]), content, SIZE - 1)


@pytest.mark.parametrize('features', [1, 4, 5, 8, 1 << 63])
def test_any_feature_of_a_qed_but_one_is_refused(make, features):
    """A backing file, its format, both; and what nobody knows."""
    content = make('qed')
    content[16:24] = struct.pack('<Q', features)
    assert f'features ({features})' in refusal('qed', content)


def test_qed_that_was_not_closed_is_safe(make):
    content = make('qed')
    content[16:24] = struct.pack('<Q', 2)
    check('qed', content)


def test_head_is_not_read_without_end(monkeypatch):
    """Though an inspector asks for all of it."""

    class Greedy:
        context_info = ('all',)
        complete, offset, length = False, 0, 2**60
        format_match = True

        def region(self, _name):
            return self

        def has_region(self, _name):
            return False

        def eat_chunk(self, chunk):
            pass

        finish = safety_check = lambda self: None

    class Endless(Content):
        size_bytes = 2**50

        def read_at(self, offset, length):
            self.read_bytes += length
            assert self.read_bytes <= 64 * MIB
            return bytes(length)

    monkeypatch.setattr(detection, '_inspector', lambda _name: Greedy())
    content = Endless(b'')

    detection.require_safe('qcow2', content)

    assert content.read_bytes <= 16 * MIB


def test_more_than_64_bitmaps_of_a_qcow2_are_refused():
    check('qcow2', hostile.many_bitmaps(60))
    assert '65 bitmaps' in refusal('qcow2', hostile.many_bitmaps(65))


def test_more_than_64_internal_snapshots_of_a_qcow2_are_refused():
    check('qcow2', hostile.qcow2(snapshots=64))
    found = refusal('qcow2', hostile.qcow2(snapshots=65))
    assert '65 internal snapshots' in found


def test_header_extensions_that_are_not_seen_whole_are_refused():
    unknown = hostile.extension(0x12345678, bytes(2**16 - 104 - 8))
    check('qcow2', hostile.qcow2(more=unknown))  # up to the cluster's end
    large = hostile.qcow2(bits=21, l1_offset=2**21, more=unknown)
    assert 'no end' in refusal('qcow2', large)
    longer = struct.pack('>II', 0x12345678, 2**16 - 104 - 7)
    assert 'extension has' in refusal('qcow2', hostile.qcow2(more=longer))
