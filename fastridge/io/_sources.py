"""Sources of bytes: memory, a mapped file, or a stream of blocks."""

from __future__ import annotations

import bz2
import errno
import gzip
import io
import mmap
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

_SUFFIXES: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open}
_READ = 1 << 20  # bytes per read
# Largest line of a stream in bytes: lines are held whole; compressed data may expand without bound.
LONGEST_LINE = 1 << 28
_PAGE = mmap.PAGESIZE


class Whole:
    """Bytes in memory or in a mapped file, to be read from `position` on."""

    def __init__(
        self,
        name: str,
        buffer: Any,
        position: int = 0,
        seek: Callable[[int], Any] | None = None,
    ) -> None:
        self.name = name
        self.view = memoryview(buffer).cast("B")
        self.position = min(position, len(self.view))
        self._seek = seek
        self._mapped = buffer if isinstance(buffer, mmap.mmap) else None

    def forget(self, start: int, stop: int) -> None:
        """Drop pages of a mapped file from the memory of this process."""
        if self._mapped is not None and hasattr(mmap, "MADV_DONTNEED"):
            start, stop = start // _PAGE * _PAGE, stop // _PAGE * _PAGE
            if stop > start:
                self._mapped.madvise(mmap.MADV_DONTNEED, start, stop - start)

    def leave(self, position: int) -> None:
        """Set the position of the file after reading."""
        if self._seek is not None:
            self._seek(position)

    def close(self) -> None:
        """Release the memory."""
        # a traceback may still hold a view of it
        with suppress(BufferError):
            self.view.release()
            if self._mapped is not None:
                self._mapped.close()


class Stream:
    """Bytes that come in blocks; the first block is at `position`, where known."""

    def __init__(
        self,
        name: str,
        blocks: Iterator[bytes],
        position: int = 0,
        seek: Callable[[int], Any] | None = None,
    ) -> None:
        self.name = name
        self.position = position
        self._blocks = blocks
        self._seek = seek

    def skip(self, offset: int) -> None:
        """Skip to an offset."""
        if self._seek is not None:
            self._seek(offset)
            self.position = offset
            return
        while self.position < offset:
            block = next(self._blocks, None)
            if block is None:
                return
            rest = block[offset - self.position :]
            self.position += len(block) - len(rest)
            if rest:
                self._push(rest)

    def leave(self, position: int) -> None:
        """Set the position of the file after reading."""
        if self._seek is not None:
            self._seek(position)

    def close(self) -> None:
        """Do nothing: no memory is held."""

    def _push(self, block: bytes) -> None:
        blocks = self._blocks

        def first() -> Iterator[bytes]:
            yield block
            yield from blocks

        self._blocks = first()

    def lines(self, size: Callable[[int], int]) -> Iterator[bytes]:
        """Yield pieces of whole lines; the last may lack its line feed.

        Each but the last has at least size(bytes so far) bytes.
        """
        held: list[bytes] = []
        n, total, wanted = 0, 0, size(0)
        for block in self._blocks:
            held.append(block)
            n += len(block)
            if n < wanted:
                continue
            text = b"".join(held)
            cut = text.rfind(b"\n") + 1
            held = [text[cut:]] if cut < n else []
            n -= cut
            if cut:
                total += cut
                yield text[:cut] if n else text
                wanted = size(total)
            elif n > LONGEST_LINE:
                raise ValueError(
                    f"{self.name}: found a line of more than {LONGEST_LINE} bytes; expected shorter"
                    " lines unless the source is an uncompressed file or bytes"
                )
            else:
                # a longer line: do not search it again for each block
                wanted = 2 * n
        if n:
            yield b"".join(held)


def _blocks_of(file: Any) -> Iterator[bytes]:
    while True:
        block = file.read(_READ)
        if block is None:
            raise BlockingIOError(errno.EAGAIN, "source has no bytes at the moment")
        if not isinstance(block, bytes | bytearray | memoryview):
            raise TypeError(
                f"source is a file whose read() returned a {type(block).__name__}; expected bytes:"
                " open the file in mode 'rb'"
            )
        if not block:
            return
        yield bytes(block)


def _blocks_in(source: Iterable[Any]) -> Iterator[bytes]:
    for block in source:
        try:
            if isinstance(block, bytes):
                yield block
            else:
                yield memoryview(block).tobytes()
        except TypeError:
            raise TypeError(
                f"source has an item of type {type(block).__name__}; expected blocks of bytes"
            ) from None


def _map(file: Any) -> mmap.mmap | None:
    """Map a regular file into memory, or return None where that is not possible."""
    # a buffer over another kind of file has that file's descriptor, but other content
    raw = file.raw if type(file) in (io.BufferedReader, io.BufferedRandom) else file
    if type(raw) is not io.FileIO:
        return None
    try:
        status = os.fstat(file.fileno())
        if not stat.S_ISREG(status.st_mode) or status.st_size == 0:
            return None
        if file.writable():
            file.flush()
        return mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    except (OSError, ValueError, OverflowError):
        return None


def _position_of(file: Any) -> tuple[int, Callable[[int], Any] | None]:
    try:
        if file.seekable():
            return file.tell(), file.seek
    except (AttributeError, OSError):
        pass
    return 0, None


def _of_file(name: str, file: Any) -> Whole | Stream:
    if isinstance(file, io.TextIOBase):
        raise TypeError(
            f"source is a {type(file).__name__}, a text file; expected a binary file, opened in"
            " mode 'rb'"
        )
    position, seek = _position_of(file)
    if type(file) is io.BytesIO:
        return Whole(name, file.getbuffer(), position, seek)
    mapped = _map(file) if seek else None
    if mapped is not None:
        return Whole(name, mapped, position, seek)
    return Stream(name, _blocks_of(file), position, seek)


def _buffer(source: Any) -> memoryview | None:
    try:
        return memoryview(source)
    except TypeError:
        return None


@contextmanager
def opened(source: Any) -> Iterator[Whole | Stream]:
    """Open a path, bytes, a binary file, a descriptor or an iterable of blocks of bytes."""
    kind = type(source).__name__
    with ExitStack() as stack:
        if isinstance(source, str | os.PathLike):
            if not os.fspath(source):
                raise ValueError("source is empty; expected the path of a file")
            place = os.fsdecode(source)
            opener = _SUFFIXES.get(os.path.splitext(place)[1], open)
            found = _of_file(place, stack.enter_context(opener(place, "rb")))
        elif isinstance(source, int) and not isinstance(source, bool):
            file = stack.enter_context(open(source, "rb", closefd=False))
            found = _of_file(f"<descriptor {source}>", file)
        elif (buffer := _buffer(source)) is not None:
            found = Whole(f"<{kind}>", buffer)
        elif hasattr(source, "read"):
            name = getattr(source, "name", None)
            found = _of_file(name if isinstance(name, str) else f"<{kind}>", source)
        elif isinstance(source, Iterable):
            found = Stream(f"<{kind}>", _blocks_in(source))
        else:
            raise TypeError(
                f"source is a {kind}; expected a path, bytes, a binary file, a descriptor, or an"
                " iterable of blocks of bytes"
            )
        try:
            yield found
        finally:
            found.close()
