"""What is written is on the disk: after a power cut, files that were only in memory are empty or missing."""

import ctypes
import os
import sys

_LIBC = ctypes.CDLL(None, use_errno=True)


def flush_to_disk(folder: str) -> None:
    """Return when everything that was written to the folder's file system is on the disk.

    Does nothing for a URL: an object store acknowledges what it has stored. Raises OSError.
    """
    if "://" in folder:
        return
    if not sys.platform.startswith("linux"):
        os.sync()
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        if _LIBC.syncfs(descriptor):
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number), folder)
    finally:
        os.close(descriptor)
