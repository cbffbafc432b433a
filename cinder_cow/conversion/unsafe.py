# SPDX-License-Identifier: Apache-2.0

"""What the checks of an image's content raise among themselves."""


class UnsafeImage(Exception):
    """The image is not safe to convert, or not what it says that it is."""
