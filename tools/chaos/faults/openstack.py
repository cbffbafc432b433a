# SPDX-License-Identifier: Apache-2.0
"""Cinder's neighbours are gone for a while, or answer badly."""

import signal

from chaos.faults.fault import Fault, NoTarget
from chaos.glance_proxy import Manner
from chaos.images import Image

GLANCE = frozenset({'source', 'image gone', 'no host'})


class RestartRabbitMQ(Fault):
    name = 'RabbitMQ restarted'
    #: So long until all listen again; what is sent before is lost.
    hold_seconds = 20.0
    causes = frozenset({'messaging', 'no host'})

    def inject(self) -> None:
        self.testbed.stack.restart_rabbitmq()


class RestartMariaDB(Fault):
    name = 'MariaDB restarted'
    hold_seconds = 0.0
    causes = frozenset({'database', 'source', 'no host'})

    def inject(self) -> None:
        self.testbed.stack.restart_mariadb()


class PauseGlance(Fault):
    name = 'Glance paused'
    hold_seconds = 40.0
    causes = GLANCE

    def inject(self) -> None:
        self.testbed.signal_all('glance', signal.SIGSTOP)

    def undo(self) -> None:
        self.testbed.signal_all('glance', signal.SIGCONT)


class GlanceAnswers(Fault):
    """cinder-volume gets other answers than Glance's."""

    hold_seconds = 20.0
    causes = GLANCE
    comes_first = True
    manner = Manner.HONEST

    def inject(self) -> None:
        self.testbed.proxy.manner = self.manner

    def undo(self) -> None:
        self.testbed.proxy.manner = Manner.HONEST


class _Changed(Fault):
    """Something happens to an image that volumes are made of."""

    hold_seconds = 5.0
    causes = frozenset({'source', 'image gone', 'no host'})
    _image: Image | None = None

    def inject(self) -> None:
        self._image = self.chooser.choice(self.testbed.images)
        self._begin(self._image)

    def undo(self) -> None:
        if self._image is not None:
            self._end(self._image)

    def _begin(self, image: Image) -> None:
        raise NoTarget

    def _end(self, image: Image) -> None:
        raise NoTarget


class ImageDeleted(_Changed):
    """Another of the same content comes in its place."""

    name = 'image deleted'

    def _begin(self, image: Image) -> None:
        image.delete()

    def _end(self, image: Image) -> None:
        image.upload()


class ImageDeactivated(_Changed):
    name = 'image deactivated'

    def _begin(self, image: Image) -> None:
        image.deactivate()

    def _end(self, image: Image) -> None:
        image.reactivate()


def _answers(manner: Manner) -> type[GlanceAnswers]:
    return type(
        'GlanceAnswers',
        (GlanceAnswers,),
        {
            'name': f'Glance answers {manner.value}',
            'manner': manner,
            'is_fatal': manner is not Manner.SLOW,
        },
    )


ALL: tuple[type[Fault], ...] = (
    RestartRabbitMQ,
    RestartMariaDB,
    PauseGlance,
    ImageDeleted,
    ImageDeactivated,
    *(_answers(each) for each in Manner if each is not Manner.HONEST),
)
