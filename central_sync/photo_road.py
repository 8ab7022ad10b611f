"""Photos on their way to one centre: as many at once as the line bears, and each goes on where it broke off.

A photo that the line bears in one request goes in one. A larger one, and one that broke off before, goes by
parts from where the centre's copy ends. Its bytes are read as they are sent.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

from central_sync.centre import Begun, Broken, Centre, Handed, PhotoRefused, Smaller, Trouble, nonsense
from central_sync.progress import Teller

SMALLEST, LARGEST = 256 << 10, 1 << 20  # bytes of one request
BEGIN_WITH = 4  # photos at once before it is known what the line bears


class Photos(Protocol):
    """What the road needs of ``photos.Photos``."""

    def has(self, digest: str) -> bool: ...
    def part(self, digest: str, offset: int, limit: int) -> tuple[int, bytes]: ...


class Line:
    """How much goes at once: a break halves it, every answer adds a little."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self.room, self.width = LARGEST, min(BEGIN_WITH, at_once)  # bytes of a request, photos under way

    def bore(self) -> None:
        """A request was answered."""
        self.room = min(self.room + self.room // 8, LARGEST)
        self.width = min(self.width + 1, self._at_once)

    def narrow(self) -> None:
        """A request broke off, or was too large for whoever stands in between."""
        self.room, self.width = max(self.room // 2, SMALLEST), max(self.width // 2, 1)


class _Unreadable(Exception):
    """A photo that cannot be read here."""


class PhotoRoad:
    """What one centre wants and this node has. ``took`` is called whenever the centre has taken something."""

    def __init__(
        self, *, store: Photos, centre: Centre, teller: Teller, at_once: int, took: Callable[[], None]
    ) -> None:
        self._store, self._centre, self._teller, self._took = store, centre, teller, took
        self._line = Line(at_once)
        self.wanted: list[str] = []
        self._unwelcome: set[str] = set()  # refused for good
        self._handed: set[str] = set()  # taken; not sent again before the next recheck
        self._begun: set[str] = set()  # broke off: some of it may be there
        self._again: set[str] = set()  # the whole was wrong though sent right: once more from its begin
        self._unsure = at_once  # the first ones may have been begun by a courier that was killed
        self._ask = False  # whether the centre must be asked what it wants

    def want(self, wanted: Sequence[str]) -> None:
        """Queues what the centre asks for, without what it has had or will not have."""
        asked = [sha256 for sha256 in wanted if sha256 not in self._unwelcome | self._handed]
        self.wanted = [sha256 for sha256 in asked if self._store.has(sha256)]
        for sha256 in set(asked).difference(self.wanted):
            en = f"the centre asks for photo {sha256}, which is not on this node"
            self._teller.alarm("photo", f"中心索要的照片 {sha256} 不在本机", en)
        self._teller.tell(photos_wanted=len(self.wanted))

    def recheck(self) -> None:
        """What is still wanted after this was lost there."""
        self._handed.clear()

    async def send(self, hurry: Callable[[], bool]) -> bool:
        """Sends what is wanted until ``hurry``, but the first few in any case.

        Returns whether the centre must be asked what it wants. Raises the first Trouble, once all have ended.
        """
        self._ask = False
        waiting, troubles = deque(self.wanted), list[Trouble]()
        sending: set[asyncio.Task[None]] = set()

        def start() -> None:
            while waiting and len(sending) < self._line.width:
                sending.add(asyncio.create_task(self._send(waiting.popleft(), hurry)))

        try:
            start()
            while sending:
                done, sending = await asyncio.wait(sending, return_when=asyncio.FIRST_COMPLETED)
                troubles += [error for task in done if (error := _trouble(task))]
                if not troubles and not hurry():
                    start()
        finally:
            for task in sending:
                task.cancel()
            await asyncio.gather(*sending, return_exceptions=True)
        if any(isinstance(trouble, Broken) for trouble in troubles):
            self._line.narrow()
        if troubles:
            raise troubles[0]
        return self._ask or not self.wanted  # its list may have been cut short

    async def _send(self, sha256: str, hurry: Callable[[], bool]) -> None:
        try:
            outcome = await self._hand(sha256, hurry)
        except _Unreadable as trouble:
            self._unsendable(sha256, f"本机读取失败 {trouble}", f"it cannot be read here: {trouble}")
            return
        except Broken:
            self._begun.add(sha256)
            raise
        match outcome:
            case Begun(complete=True):
                self._handed.add(sha256)
                self._sent(sha256)
            case PhotoRefused(for_good=True):
                self._unsendable(sha256, f"中心不收:{outcome.why}", f"the centre refused it: {outcome.why}")
            case PhotoRefused():  # it has lost the record that names the photo
                self._handed.add(sha256)
                self._sent(sha256)
                self._ask = True
            case Smaller():
                self._begun.add(sha256)
                if self._line.room == SMALLEST:
                    raise nonsense(f"{SMALLEST} bytes of a photo are too many for it")
                self._line.narrow()

    async def _hand(self, sha256: str, hurry: Callable[[], bool]) -> Handed:
        """One request for a photo that fits into it, else parts until it is there or ``hurry``."""
        size, data = await self._read(sha256, 0, self._line.room)
        if len(data) == size and not self._may_be_begun(sha256, size):
            answer = await self._centre.hand_photo(sha256, data)
            if isinstance(answer, Begun):
                self._bore()
            return answer
        begun = await self._centre.begun(sha256)
        if begun is None:
            return await self._centre.hand_photo(sha256, (await self._read(sha256, 0, size))[1])
        if isinstance(begun, PhotoRefused):
            return begun
        return await self._go_on(sha256, size, begun, hurry)

    async def _go_on(self, sha256: str, size: int, begun: Begun, hurry: Callable[[], bool]) -> Handed:
        """Parts from where the centre's copy ends."""
        lost = False
        while not begun.complete:
            _, part = await self._read(sha256, begun.offset, self._line.room)
            answer = await self._centre.append_photo(sha256, size, begun.offset, part)
            if isinstance(answer, PhotoRefused) and answer.for_good and sha256 not in self._again:
                self._again.add(sha256)
                answer = Begun(offset=0, complete=False)
            if not isinstance(answer, Begun):
                return answer
            if answer.complete or answer.offset > begun.offset:
                self._bore()
            elif lost:
                raise nonsense(f"photo {sha256} does not grow there")
            else:
                lost = True
            begun = answer
            if hurry():
                break
        return begun

    def _bore(self) -> None:
        """The line has borne a request, and the centre has taken what was in it."""
        self._line.bore()
        self._took()

    def _may_be_begun(self, sha256: str, size: int) -> bool:
        """Whether some of it may be at the centre, and is worth the question."""
        self._unsure, unsure = max(0, self._unsure - 1), self._unsure
        return sha256 in self._begun or (unsure > 0 and size > SMALLEST)

    async def _read(self, sha256: str, offset: int, limit: int) -> tuple[int, bytes]:
        try:
            return await asyncio.to_thread(self._store.part, sha256, offset, limit)
        except OSError as trouble:
            raise _Unreadable(str(trouble)) from trouble

    def _unsendable(self, sha256: str, zh: str, en: str) -> None:
        self._unwelcome.add(sha256)
        self._teller.alarm("photo", f"照片 {sha256} 未上传:{zh}", f"photo {sha256} was not sent: {en}")
        self._sent(sha256)

    def _sent(self, sha256: str) -> None:
        self.wanted.remove(sha256)
        self._begun.discard(sha256)
        self._again.discard(sha256)
        self._teller.tell(photos_wanted=len(self.wanted))


def _trouble(task: "asyncio.Task[None]") -> Trouble | None:
    """What a sent photo met with; raises what is no Trouble."""
    error = task.exception()
    if error is None or isinstance(error, Trouble):
        return error
    raise error
