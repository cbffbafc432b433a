# SPDX-License-Identifier: Apache-2.0

"""What can fail. Each error names the value, the reason and the remedy.

::

    CowError
      ImageTooBig           the image does not fit into the volume
      ConversionDisabled    the image has to be converted, and may not be
      UnexpectedFailure     this host failed in a way that nobody foresaw
      VolumeExists          there is something under the volume's name already
      StorageError          Ceph did not do what it was asked
        StorageUnreachable  the cluster does not answer, or not in time
          ConnectionLost    the connection broke while it was used
        StorageFull         no space, or a quota
          NoRoomForBase     a base image would exceed the limits of bases
        StorageBusy         another client has it open
      BaseGone              a base image was evicted while it was to be cloned
      LeaseLost             another may be building the same base image
      BuildFailed           the base image that was waited for is not coming
      PluginNotLoadable     a backend or source that an option names
      ImageUnacceptable     the image is not what it says, or not safe to use
        SignatureInvalid    its signature does not hold
      SourceError           an image's bytes could not be read
        SourceUnreachable   the source could not be talked to
        SourceStalled       no byte came for too long, or too few
        SourceDamaged       they are not the image's: too few, too many, other
      TooManyCopies         too many copies wait for their slot already
      CopyCancelled         a copy was ended from outside
      CopyTimedOut          a copy took longer than a copy may
      ToolMissing           a program is not installed
      ConversionInterrupted  qemu-img was ended from outside
      ConversionLimitExceeded  it took more time or memory than it may
      ConfinementMissing    this host cannot shut qemu-img in

A refusal to clone is not an error: see :class:`cinder_cow.model.Refusal`.
"""


def printable(text: object, most: int = 500) -> str:
    """Foreign text, fit for a log and an error: one line, and not long.

    Control characters, among them those of a terminal, become escapes.
    """
    line = ' '.join(str(text)[: 4 * most].split())
    shown = ''.join(
        each if each.isprintable() else ascii(each)[1:-1] for each in line
    )
    return shown if len(shown) <= most else f'{shown[:most]}...'


class CowError(Exception):
    """Base of everything that this package raises on purpose."""


class ImageTooBig(CowError):
    """The image does not fit into the volume."""

    def __init__(
        self, image_id: str, image_bytes: int, volume_bytes: int
    ) -> None:
        self.image_id = image_id
        self.image_bytes = image_bytes
        self.volume_bytes = volume_bytes
        gib = -(-image_bytes // 2**30)
        super().__init__(
            f'Image {image_id} holds {image_bytes} bytes and does not fit'
            f' into a volume of {volume_bytes} bytes. Ask for a volume of at'
            f' least {gib} GiB.'
        )


class ConversionDisabled(CowError):
    """The image has to be converted, and this host is not to convert any."""

    def __init__(self, image_id: str, disk_format: str) -> None:
        self.image_id = image_id
        self.reason = (
            f'its disk format is {disk_format!r}, and image_conversion_disable'
            f' is set in cinder.conf. Use an image of the disk format raw'
        )
        super().__init__(f'Image {image_id} is not converted: {self.reason}')


class UnexpectedFailure(CowError):
    """This host failed in a way that nobody foresaw."""

    def __init__(self, action: str, cause: BaseException) -> None:
        self.cause = cause
        super().__init__(
            f'Could not {action}: {type(cause).__name__}: {printable(cause)}.'
            f' See the log of cinder-volume, and whether this host is out of'
            f' memory, processes or open files.'
        )


class VolumeExists(CowError):
    """There is something under the volume's name already."""

    def __init__(self, path: str, remedy: str = 'remove it') -> None:
        """:param path: what the storage calls it."""
        self.path = path
        super().__init__(
            f'There is a volume {path} already; it was left as it is. If no'
            f' volume of Cinder uses it: {remedy}'
        )


class StorageError(CowError):
    """Ceph did not do what it was asked, and a retry here will not help."""

    remedy = 'See the Ceph logs and `ceph status`.'

    def __init__(self, action: str, cause: Exception) -> None:
        self.action = action
        self.cause = cause
        super().__init__(
            f'Could not {action}: {printable(cause)}. {self.remedy}'
        )


class StorageUnreachable(StorageError):
    """The cluster does not answer, or not in time."""

    remedy = (
        'Check that this host reaches the Ceph monitors and OSDs, that the'
        ' user has a keyring here, that no pool is full or has reached its'
        ' quota (`ceph df detail`), and that this host is not in'
        ' `ceph osd blocklist ls`.'
    )


class ConnectionLost(StorageUnreachable):
    """The connection broke while it was used. Nothing more comes of it."""


class StorageFull(StorageError):
    """The cluster or the pool has no room left."""

    remedy = 'Free space or raise the quota: see `ceph df detail`.'


class NoRoomForBase(StorageFull):
    """A base image would take more than bases may, or than there is."""

    remedy = (
        'Remove base images that no volume needs (cinder-cow base list,'
        ' cinder-cow base evict), delete volumes that were cloned of them,'
        ' or raise the limit.'
    )


class StorageBusy(StorageError):
    """Another client has open what is to be removed."""

    remedy = (
        'A client that died is forgotten after half a minute. See'
        ' `rbd status` for who has it open.'
    )


class BaseGone(CowError):
    """A base image was evicted while it was to be cloned or read."""

    def __init__(self, name: str) -> None:
        self.name = name
        super().__init__(
            f'The base image {name} was evicted while it was used. Try'
            f' again; if it happens often, raise cow_base_max_bytes.'
        )


class LeaseLost(CowError):
    """The right to build a base was lost: another may be building it."""

    def __init__(self, name: str, reason: object) -> None:
        self.name = name
        super().__init__(
            f'The lease on {name} was lost while it was built: {reason}. Try'
            f' again; see whether this host and the Ceph cluster were busy'
            f' or apart for half a minute.'
        )


class BuildFailed(CowError):
    """The base image that was waited for is not coming."""

    def __init__(self, image_id: str, kind: str, reason: str) -> None:
        """:param kind: name of the class of the error that it failed with."""
        self.image_id = image_id
        self.kind = kind
        self.reason = reason
        super().__init__(
            f'The base of image {image_id} that this volume waited for could'
            f' not be built: {printable(reason, 2000)}'
        )


class PluginNotLoadable(CowError):
    """The plugin that an option names cannot be used."""

    def __init__(
        self, option: str, namespace: str, name: str, cause: Exception | str
    ) -> None:
        self.name = name
        super().__init__(
            f'{option} = {name} cannot be loaded: {cause}. It must be an'
            f' entry point of the group {namespace}; for "rbd" install the'
            f' packages python3-rados and python3-rbd where the Python of'
            f' cinder-volume finds them.'
        )


class ImageUnacceptable(CowError):
    """The image is not what it says that it is, or not safe to use."""

    def __init__(self, image_id: str, reason: str) -> None:
        self.image_id = image_id
        self.reason = printable(reason, 2000)
        super().__init__(f'Image {image_id} cannot be used: {self.reason}')


class SignatureInvalid(ImageUnacceptable):
    """The image's signature does not hold."""


class SourceError(CowError):
    """The image's bytes could not be read."""

    remedy = 'Try again; see the log of the source.'

    def __init__(self, source: str, image_id: str, reason: object) -> None:
        self.source = source
        self.image_id = image_id
        self.reason = reason
        super().__init__(
            f'Could not read image {image_id} from {source}:'
            f' {printable(reason)}.'
            f' {self.remedy}'
        )


class SourceUnreachable(SourceError):
    """The source could not be talked to, or has not got the image."""


class SourceStalled(SourceError):
    """No byte came for `cow_stall_seconds`, or too few in a longer time."""

    remedy = (
        'See whether the source is overloaded; cow_stall_seconds is how long'
        ' a silence is tolerated, cow_min_copy_bytes_per_second how slow a'
        ' source may be.'
    )


class SourceDamaged(SourceError):
    """What came is not the image: too few bytes, too many, or others."""

    remedy = (
        'If it happens again, the stored image is damaged: upload it anew.'
    )


class TooManyCopies(CowError):
    """Too many copies wait for their slot already."""

    def __init__(self, max_waiting: int) -> None:
        self.max_waiting = max_waiting
        super().__init__(
            f'{max_waiting} copies of images wait in this process already, as'
            f' many as cow_max_waiting_copies allows, and none more is taken'
            f' from this project. Try again later; if it happens often, raise'
            f' cow_max_copies, or add hosts.'
        )


class CopyTimedOut(CowError):
    """A copy took longer than a copy may."""

    def __init__(self, image_id: str, seconds: float) -> None:
        self.image_id = image_id
        self.seconds = seconds
        super().__init__(
            f'The copy of image {image_id} was not done after'
            f' {seconds:.0f} s, which is cow_copy_seconds. See whether the'
            f' source or the Ceph cluster is overloaded; raise the option for'
            f' images that take longer.'
        )


class CopyCancelled(CowError):
    """A copy was ended from outside, before all was copied."""

    def __init__(self, subject: str) -> None:
        """:param subject: the image, or the volume that it is copied for."""
        self.subject = subject
        super().__init__(
            f'The copy for {subject} was cancelled, as it was not needed any'
            f' more. Try again if it is.'
        )


class ToolMissing(CowError):
    """A program that is needed is not installed on this host."""

    def __init__(self, tool: str, package: str) -> None:
        self.reason = f'{tool} is not installed on this host'
        self.remedy = f'Install {package}.'
        super().__init__(f'{self.reason}. {self.remedy}')


class ConversionInterrupted(CowError):
    """qemu-img was ended from outside. That says nothing of the image."""

    def __init__(self, image_id: str, end: str) -> None:
        """:param end: what ended it, as `SIGTERM`."""
        self.image_id = image_id
        self.end = end
        super().__init__(
            f'The conversion of image {image_id} was interrupted on this host:'
            f' qemu-img was ended by {end}. Try again; see whether'
            f' cinder-volume was stopped, or the host ran out of memory'
            f' (journalctl -k).'
        )


class ConversionLimitExceeded(CowError):
    """qemu-img took more than it may. Another host may do better."""

    def __init__(self, image_id: str, what: str, option: str) -> None:
        """:param option: the one that sets the limit."""
        self.image_id = image_id
        self.option = option
        super().__init__(
            f'The conversion of image {image_id} was ended: qemu-img'
            f' {printable(what)}. See whether this host and the Ceph cluster'
            f' are slow; where an honest image needs more, raise {option}.'
        )


class ConfinementMissing(CowError):
    """This host cannot shut qemu-img in, and must."""

    def __init__(self, reason: str) -> None:
        self.reason = reason
        super().__init__(
            f'qemu-img cannot be confined on this host: {printable(reason)}.'
            f' Boot a kernel of 5.13 or newer with "landlock" in its'
            f' parameter lsm=, and let the container use Landlock and seccomp;'
            f' or turn cow_require_confinement off.'
        )
