# SPDX-License-Identifier: Apache-2.0

"""What is to be closed, as a context manager. Standard library alone."""

import abc
import types
from typing import Self


class Closing(abc.ABC):
    """Closes itself at the end of a ``with``, however that ends."""

    @abc.abstractmethod
    def close(self) -> None:
        """Release it."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: types.TracebackType | None,
    ) -> None:
        self.close()
