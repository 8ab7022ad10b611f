"""What a verification says: what holds, and what does not, in plain words of both languages."""

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """One sentence; ``seq`` is the record that it is about, where there is one."""

    zh: str
    en: str
    seq: int | None = None


@dataclass(slots=True, kw_only=True)
class Findings:
    """All sentences about one target."""

    target: str
    good: list[Line] = field(default_factory=list)
    bad: list[Line] = field(default_factory=list)

    @property
    def holds(self) -> bool:
        """Whether nothing is wrong."""
        return not self.bad

    def right(self, zh: str, en: str, seq: int | None = None) -> None:
        """Something holds."""
        self.good.append(Line(zh=zh, en=en, seq=seq))

    def wrong(self, zh: str, en: str, seq: int | None = None) -> None:
        """Something does not hold."""
        self.bad.append(Line(zh=zh, en=en, seq=seq))

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        return {
            "target": self.target,
            "holds": self.holds,
            "right": [{"zh": each.zh, "en": each.en, "seq": each.seq} for each in self.good],
            "wrong": [{"zh": each.zh, "en": each.en, "seq": each.seq} for each in self.bad],
        }
