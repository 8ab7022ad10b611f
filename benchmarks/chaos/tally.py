"""What came of a run: faults by kind, and every finding in words."""

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

SHOWN = 20  # findings in the report


@dataclass
class Tally:
    """Faults done and findings; ``good`` only without any finding."""

    faults: Counter[str] = field(default_factory=Counter)
    not_injected: dict[str, str] = field(default_factory=dict)  # kind: why
    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)  # other bytes, broken chain, wrong signature
    photos_missing: list[str] = field(default_factory=list)
    fallen: list[str] = field(default_factory=list)  # a process ended by itself, or did not catch up
    vehicles: int = 0
    records: int = 0
    acknowledged: int = 0
    volumes: int = 0

    @property
    def good(self) -> bool:
        """Whether nothing was found."""
        return not self.findings

    @property
    def findings(self) -> list[str]:
        """Every finding."""
        return [*self.lost, *self.doubled, *self.changed, *self.photos_missing, *self.fallen]

    def report(self) -> dict[str, Any]:
        """The object that is printed."""
        return {
            "faults": self.faults.total(),
            "kinds": dict(sorted(self.faults.items())),
            "not_injected": self.not_injected,
            "lost": len(self.lost),
            "doubled": len(self.doubled),
            "chains_equal": not self.changed,
            "photos_missing": len(self.photos_missing),
            "fallen": len(self.fallen),
            "records": self.records,
            "acknowledged": self.acknowledged,
            "volumes": self.volumes,
            "vehicles": self.vehicles,
            "what": self.findings[:SHOWN],
        }
