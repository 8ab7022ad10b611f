"""What a verification says: what holds, what it leaves open, what does not hold, in both languages."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sentence; ``seq`` is the record that it is about, where there is one."""

    zh: str
    en: str
    seq: int | None = None

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {"zh": self.zh, "en": self.en, "seq": self.seq}


@dataclass(slots=True, kw_only=True)
class Findings:
    """All sentences about one target."""

    target: str
    good: list[Line] = field(default_factory=list)
    open: list[Line] = field(default_factory=list)
    bad: list[Line] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.bad

    def right(self, zh: str, en: str, seq: int | None = None) -> None:
        """Something holds."""
        self.good.append(Line(zh=zh, en=en, seq=seq))

    def remark(self, zh: str, en: str, seq: int | None = None) -> None:
        """Something the reader must know or compare; nothing is wrong with it."""
        self.open.append(Line(zh=zh, en=en, seq=seq))

    def wrong(self, zh: str, en: str, seq: int | None = None) -> None:
        """Something does not hold."""
        self.bad.append(Line(zh=zh, en=en, seq=seq))

    def first_wrong_first(self) -> None:
        """Puts what is wrong in the order of the records; what is about none comes last."""
        self.bad.sort(key=lambda line: (line.seq is None, line.seq or 0))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "target": self.target,
            "holds": self.holds,
            "right": [each.as_json() for each in self.good],
            "open": [each.as_json() for each in self.open],
            "wrong": [each.as_json() for each in self.bad],
        }


def when(time_s: int) -> str:
    """A witness's time, by the reader's own clock."""
    return f"{datetime.fromtimestamp(time_s).astimezone():%Y-%m-%d %H:%M:%S%z}"
