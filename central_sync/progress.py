"""How the courier stands, for the pages: link, what is settled, and what a person should know."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any, Literal, TypeAlias

Link: TypeAlias = Literal["ok", "down"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something a person should know about the way to the centre."""

    at: datetime
    zh: str
    en: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """State of the link, last settled number, photos still to send, batches sent, alarms by subject.

    Subjects: ``link`` (goes when the link works); ``blocked`` (goes when that record is past); ``refused``,
    ``withheld``, ``restored``, ``photo`` (stay till a restart).
    """

    link: Link = "down"
    accepted_through: int = 0
    photos_wanted: int = 0
    batches: int = 0
    alarms: Mapping[str, Alarm] = field(default_factory=dict)


class Teller:
    """Keeps the progress and tells each change of it."""

    def __init__(self, progress: Progress, told: Callable[[Progress], None]) -> None:
        self.progress, self._told = progress, told

    def tell(self, **changes: Any) -> None:
        """Takes changed fields of the progress."""
        progress = replace(self.progress, **changes)
        if progress != self.progress:
            self.progress = progress
            self._told(progress)

    def alarm(self, subject: str, zh: str, en: str, link: Link | None = None) -> None:
        """Raises an alarm, or renews that of the same subject."""
        alarm = Alarm(at=datetime.now(UTC), zh=zh, en=en)
        self.tell(link=link or self.progress.link, alarms={**self.progress.alarms, subject: alarm})

    def calm(self, subject: str) -> None:
        """The link works; the alarm of ``subject`` is over."""
        alarms = {key: alarm for key, alarm in self.progress.alarms.items() if key != subject}
        self.tell(link="ok", alarms=alarms)
