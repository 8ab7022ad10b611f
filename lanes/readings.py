"""Instrument findings of an attempt: what was measured, worked out, beside the limits in force."""

from collections.abc import Iterator
from datetime import date

from lanes.brakes import axle_rate, brake_problem, drag_rate, imbalance, parking_rate, whole_rate
from lanes.checklist import Checklist, axle_of, position
from lanes.evidence import Evidence
from lanes.limits import Axle, Bench, Limit
from lanes.quantity import Derived, rounded
from lanes.record import AxleWeighed, Finding, Result
from lanes.rulebook import Rulebook
from lanes.sideslip import sideslip, sideslip_problem
from lanes.weight import weighing_problem

UNLIMITED_PLACES = 1  # decimals of a value that no limit judges (n(4,1) in the platform's fields)


class Readings:
    """One attempt's usable instrument readings beside the limits that are in force for it."""

    def __init__(self, evidence: Evidence, rulebook: Rulebook, on: date) -> None:
        self.evidence, self.rulebook, self.on = evidence, rulebook, on
        self.brakes = {item: pair for item, pair in evidence.brakes.items() if brake_problem(pair[1]) is None}
        axles = range(1, evidence.vehicle.axles + 1)
        weights = ((axle, evidence.weights[axle]) for axle in axles if axle in evidence.weights)
        self.weights = {axle: pair for axle, pair in weights if weighing_problem(pair[1]) is None}
        self.weighed = len(self.weights) == len(axles)

    def findings(self, wanted: Checklist) -> Iterator[Finding]:
        """Findings in the order of the checklist, the whole vehicle's rate after its axles."""
        service = [
            i.item for i in wanted.instruments if axle_of(i.item) in self.weights and i.item in self.brakes
        ]
        for item in service:
            yield from self._axle(item)
        if len(service) == self.evidence.vehicle.axles:
            yield self._whole(service)
        if "B0" in self.brakes and self.weighed:
            yield self._parking()
        slip = self.evidence.sideslip
        if slip is not None and sideslip_problem(slip[1]) is None:
            yield self._judged("A1", sideslip(slip[1]), (slip[0],))

    def _axle(self, item: str) -> Iterator[Finding]:
        seq, measured = self.brakes[item]
        axle = axle_of(item) or 0
        weight_seq, weighed = self.weights[axle]
        derived = (axle_rate(measured, weighed), imbalance(measured, weighed), drag_rate(measured, weighed))
        for one in derived:
            if one is not None:
                yield self._judged(item, one, (seq, weight_seq), position(axle), measured.bench)

    def _whole(self, items: list[str]) -> Finding:
        brakes = [self.brakes[item] for item in items]
        derived = whole_rate([body for _, body in brakes], self._loads())
        basis = (*(seq for seq, _ in brakes), *(seq for seq, _ in self.weights.values()))
        return self._judged("whole", derived, basis, bench=brakes[0][1].bench)

    def _parking(self) -> Finding:
        seq, measured = self.brakes["B0"]
        basis = (seq, *(weight_seq for weight_seq, _ in self.weights.values()))
        return self._judged("B0", parking_rate(measured, self._loads()), basis, bench=measured.bench)

    def _loads(self) -> list[AxleWeighed]:
        return [body for _, body in self.weights.values()]

    def _judged(
        self,
        item: str,
        derived: Derived,
        basis: tuple[int, ...],
        axle: Axle | None = None,
        bench: Bench | None = None,
    ) -> Finding:
        """A derived value against its limit; without a limit for this vehicle it is not applicable."""
        limit = self.rulebook.limits.find(
            derived.quantity,
            self.evidence.vehicle,
            self.evidence.business,
            self.on,
            axle=axle,
            bench=bench,
        )
        places = UNLIMITED_PLACES if limit is None else limit.places
        return Finding(
            item=item,
            result=_result(limit, derived),
            quantity=derived.quantity,
            value=str(rounded(derived.value, places)),
            unit=derived.unit,
            limit="" if limit is None else limit.text,
            clause="" if limit is None else limit.clause,
            arithmetic=derived.arithmetic(places),
            basis=basis,
        )


def _result(limit: Limit | None, derived: Derived) -> Result:
    if limit is None:
        return "not_applicable"
    return "pass" if limit.holds(derived.value) else "fail"
