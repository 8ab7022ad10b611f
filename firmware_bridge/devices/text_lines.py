"""Lines of text as scanners and tag readers send them: each ended by one of a few characters."""

LONGEST = 4096  # bytes; a QR code holds 2953 at most


class Deframer:
    """Lines out of a byte stream; ``skipped`` counts the bytes of lines that were given up.

    ``ends``: any of these bytes ends a line; empty lines are none.
    """

    def __init__(self, ends: bytes = b"\r\n") -> None:
        self.skipped = 0
        self._ends = ends
        self._held = b""
        self._giving_up = False

    def feed(self, chunk: bytes) -> list[bytes]:
        """Lines completed by this chunk."""
        for end in self._ends[1:]:
            chunk = chunk.replace(bytes([end]), self._ends[:1])
        *ended, self._held = (self._held + chunk).split(self._ends[:1])
        lines = []
        for line in ended:
            if self._giving_up or len(line) > LONGEST:
                self.skipped += len(line)
            elif line:
                lines.append(line)
            self._giving_up = False
        if self._giving_up or len(self._held) > LONGEST:
            self.drop()
        return lines

    def drop(self) -> None:
        """What began without its end belongs to nobody, and so does its rest."""
        self._giving_up = self._giving_up or bool(self._held)
        self.skipped += len(self._held)
        self._held = b""
