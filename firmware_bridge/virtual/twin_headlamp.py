"""The headlamp tester facing the other way: it finds the lamps that are lit, beam after beam."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeAlias

from firmware_bridge.devices import headlamp_mqd6a as mqd
from firmware_bridge.devices.headlamp_mqd6a import Beam
from firmware_bridge.virtual.twin_line import PtyLine

SEEK_S = 0.1  # s for each beam; a real tester needs several

Side: TypeAlias = Literal["left", "right"]
Lamps: TypeAlias = Callable[[Side, int], Beam | None]  # place: 0 main, 1 second main, 2 dipped


class HeadlampTwin:
    """A tester on a pty; without ``stand`` it finds no lamp."""

    def __init__(self, path: Path) -> None:
        self.line = PtyLine(path, self._hear)
        self.heard: list[tuple[int, int]] = []
        self.failing = False
        self._settings: set[tuple[int, int]] = set()
        self._lamps: Lamps = lambda _side, _place: None
        self._found: dict[Side, list[Beam | None]] = {"left": [None] * 3, "right": [None] * 3}
        self._test: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Switches the tester on."""
        self.line.open()

    async def stop(self) -> None:
        """Switches it off: the line vanishes."""
        self._cancel()
        if self._test is not None:
            await asyncio.gather(self._test, return_exceptions=True)
        self.line.close()

    def stand(self, lamps: Lamps) -> None:
        """A vehicle stands before it with these lamps lit, each when it is wanted."""
        self._lamps = lamps

    def _hear(self, heard: bytes) -> None:
        for at in range(0, len(heard) - 5, 6):
            self._obey((heard[at + 3], heard[at + 4]))

    def _obey(self, code: tuple[int, int]) -> None:
        self.heard.append(code)
        if code[0] == mqd.SET:
            self._settings = {each for each in self._settings if not _alike(each, code)} | {code}
        elif code == mqd.STATE:
            self.line.send(mqd.notice(mqd.AT_HOME))
        elif code == mqd.ALL_RESULTS:
            self.line.send(mqd.results(self._found["left"], self._found["right"]))
        elif code == mqd.STOP:
            self._cancel()
        elif code in (mqd.LEFT, mqd.RIGHT):
            self._cancel()
            self._test = asyncio.ensure_future(self._run("left" if code == mqd.LEFT else "right"))

    def _cancel(self) -> None:
        if self._test is not None:
            self._test.cancel()

    async def _run(self, side: Side) -> None:
        places = {0: mqd.MAIN_DONE}
        if mqd.FOUR_LAMPS in self._settings:
            places[1] = mqd.SECOND_DONE
        if mqd.BOTH_BEAMS in self._settings:
            places[2] = mqd.DIPPED_DONE
        for place, done in places.items():
            await asyncio.sleep(SEEK_S)
            beam = self._lamps(side, place)
            if beam is None or self.failing:
                self.line.send(mqd.notice(mqd.FAILED if self.failing else mqd.NO_LAMP))
                return
            self._found[side][place] = beam
            self.line.send(mqd.notice(done))


def _alike(one: tuple[int, int], other: tuple[int, int]) -> bool:
    """Whether the second setting takes the place of the first."""
    groups = ({0x31, 0x32}, {0x33, 0x34, 0x35})
    return any({one[1], other[1]} <= group for group in groups)
