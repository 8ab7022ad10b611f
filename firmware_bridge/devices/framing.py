"""Plain ways to find frames in a byte stream: lines, frames of one size, frames that tell their size."""

import re
from collections.abc import Callable
from typing import Generic, TypeVar

F = TypeVar("F")
LONGEST_LINE = 512
_ENDS = re.compile(rb"[\r\n]+")


class Lines(Generic[F]):
    """Frames of lines that end with CR, LF or both; ``read`` makes a frame of a line, or None.

    Not ``headed``: the tail of a line could be taken for a whole one, so what comes before the first end is
    no line. ``skipped`` counts the bytes of lines that were none.
    """

    def __init__(self, read: Callable[[bytes], F | None], *, headed: bool) -> None:
        self.skipped = 0
        self._read = read
        self._headed = headed
        self._within = headed  # what is held began at the beginning of a line
        self._held = b""

    def feed(self, chunk: bytes) -> list[F]:
        """Frames of the lines completed by this chunk."""
        *lines, self._held = _ENDS.split(self._held + chunk)
        frames = []
        for line in lines:
            known = self._within and 0 < len(line) <= LONGEST_LINE
            frame = self._read(line) if known else None
            if frame is None:
                self.skipped += len(line)
            else:
                frames.append(frame)
            self._within = True
        if len(self._held) > LONGEST_LINE:
            self.drop()
            self._within = False
        return frames

    def drop(self) -> None:
        """Forgets the line that began but did not end."""
        self.skipped += len(self._held)
        self._held = b""
        self._within = self._headed


class Sized(Generic[F]):
    """Frames whose first bytes tell how long they are.

    ``size`` says it of the first ``head`` bytes, or of as many as have come: 0 when no frame begins so, None
    when more bytes must tell. ``read`` makes a frame of so many bytes, or None: then it begins further on.
    ``skipped`` counts torn, corrupt and foreign bytes.
    """

    def __init__(
        self, head: int, size: Callable[[bytes], int | None], read: Callable[[bytes], F | None]
    ) -> None:
        self.skipped = 0
        self._head, self._size, self._read = head, size, read
        self._held = b""

    def feed(self, chunk: bytes) -> list[F]:
        """Frames completed by this chunk."""
        self._held += chunk
        frames, at = [], 0
        while at < len(self._held):
            size = self._size(self._held[at : at + self._head])
            if size is None or at + size > len(self._held):
                break
            frame = self._read(self._held[at : at + size]) if size else None
            if frame is None:
                at += 1
                self.skipped += 1
            else:
                at += size
                frames.append(frame)
        self._held = self._held[at:]
        return frames

    def drop(self) -> None:
        """Forgets what began but did not end."""
        self.skipped += len(self._held)
        self._held = b""


class Fixed(Sized[F]):
    """Frames of ``size`` bytes, each; ``read`` as above."""

    def __init__(self, size: int, read: Callable[[bytes], F | None]) -> None:
        super().__init__(1, lambda _head: size, read)
