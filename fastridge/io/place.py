"""Write a model file as a whole or not at all."""

from __future__ import annotations

import errno
import io
import os
import re
import secrets
import shutil
import socket
import stat
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, BinaryIO, TypeGuard

# Seconds after which a temporary file counts as abandoned where its process cannot be checked.
_OLD = 86400.0


def is_file(path: Any, method: str) -> TypeGuard[BinaryIO]:
    """Return whether `path` is a binary file object; raise an error for a text file."""
    if isinstance(path, io.TextIOBase):
        raise TypeError(
            f"path is a {type(path).__name__}, a text file; expected a binary file, opened in mode"
            " 'rb' or 'wb'."
        )
    return hasattr(path, method)


def place_of(path: Any) -> str:
    """Return the path as a string."""
    try:
        # an int is refused: it could be any open descriptor
        place = os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"path is {path!r}; expected a str, an os.PathLike or a binary file object."
        ) from None
    if not place:
        raise ValueError("path is empty; expected the path of a file.")
    return place


def write_all(file: BinaryIO, data: bytes) -> None:
    """Write to a file object that may write only part of the data in a call."""
    left = data
    while left:
        taken = file.write(left)
        if taken is None and isinstance(file, io.RawIOBase):
            raise BlockingIOError(
                errno.EAGAIN, f"path took {len(data) - len(left)} of {len(data)} bytes"
            )
        if not isinstance(taken, int) or taken >= len(left):
            # write() returned no count, or wrote all
            return
        if taken <= 0:
            raise OSError(
                errno.EIO, f"path took {len(data) - len(left)} of {len(data)} bytes and no more"
            )
        left = left[taken:]


@contextmanager
def replacing(path: str) -> Iterator[BinaryIO]:
    """Open a new file that replaces `path` on success, and is removed on an error."""
    mode = None
    with suppress(FileNotFoundError):
        mode = os.stat(path).st_mode
    if mode is not None and not stat.S_ISREG(mode):
        raise ValueError(f"{path} exists and is not a regular file; expected a path to write to")
    if mode is not None and not (mode & 0o222 and os.access(path, os.W_OK)):
        raise PermissionError(
            errno.EACCES, "path is a read-only file; expected a file that may be replaced", path
        )
    folder = os.path.dirname(path)
    if not os.path.isdir(folder):
        raise FileNotFoundError(
            errno.ENOENT,
            "path is in a folder that does not exist; expected an existing folder",
            folder,
        )
    _sweep(folder)
    temporary = os.path.join(folder, f"{_PREFIX}{os.getpid()}-{secrets.token_hex(8)}.tmp")
    try:
        with _new_file(folder, temporary) as file:
            if mode is not None:
                os.chmod(file.fileno() if os.name == "posix" else temporary, stat.S_IMODE(mode))
            yield file
            file.flush()
            os.fsync(file.fileno())
            if not os.path.lexists(temporary):
                _give_name(file, temporary)
        os.replace(temporary, path)
    except BaseException as error:
        with suppress(OSError):
            os.unlink(temporary)
        if isinstance(error, OSError) and error.errno and error.filename in (None, temporary):
            raise _about(error, path) from error
        raise
    if os.name == "posix":
        # sync the folder, so that the new name is on disk; one that cannot be read is not synced
        with suppress(PermissionError):
            handle = os.open(folder, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)


def _about(error: OSError, path: str) -> OSError:
    """Return an error of the temporary file as one of `path`."""
    if error.errno in (errno.EACCES, errno.EPERM, errno.EROFS):
        message = "path is in a folder that cannot be written to; expected a writable folder"
        return OSError(error.errno, f"{error.strerror}: {message}", path)
    return OSError(error.errno, f"{error.strerror}: path could not be written", path)


def _new_file(folder: str, temporary: str) -> BinaryIO:
    """Open a file without a name where the system can, so that a kill leaves none behind."""
    if hasattr(os, "O_TMPFILE") and os.path.isdir("/proc/self/fd"):
        # file systems without O_TMPFILE raise various errors
        with suppress(OSError):
            return os.fdopen(os.open(folder, os.O_TMPFILE | os.O_RDWR, 0o666), "w+b")
    return open(temporary, "x+b")


def _give_name(file: BinaryIO, temporary: str) -> None:
    handle = os.open("/proc/self/fd", os.O_RDONLY)
    try:
        # with src_dir_fd, the link is to the file and not to the symbolic link in /proc
        os.link(f"{file.fileno()}", temporary, src_dir_fd=handle)
    except OSError:
        # this file system cannot link it: copy it to a named file
        file.seek(0)
        with open(temporary, "xb") as named:
            shutil.copyfileobj(file, named)
            named.flush()
            os.fsync(named.fileno())
            os.fchmod(named.fileno(), stat.S_IMODE(os.fstat(file.fileno()).st_mode))
    finally:
        os.close(handle)


# the name of a temporary file holds the machine and the process that write it
_PREFIX = f".fastridge-{zlib.crc32(socket.gethostname().encode(errors='replace')):08x}-"
_TEMPORARY = re.compile(r"\.fastridge-([0-9a-f]{8})-(\d+)-[0-9a-f]{16}\.tmp")


def _sweep(folder: str) -> None:
    """Remove temporary files of processes that were killed."""
    with suppress(OSError), os.scandir(folder) as entries:
        for entry in entries:
            found = _TEMPORARY.fullmatch(entry.name)
            if found and _is_left(entry, found):
                with suppress(OSError):
                    os.unlink(entry.path)


def _is_left(entry: os.DirEntry[str], found: re.Match[str]) -> bool:
    """Return whether no process writes to a temporary file any more."""
    if os.name == "posix" and entry.name.startswith(_PREFIX):
        try:
            os.kill(int(found[2]), 0)
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            return False
        return False
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _OLD
