"""Instrument findings of an attempt: what was measured, worked out, beside the limits in force."""

from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal

from msgspec.structs import replace

from lanes.brakes import (
    axle_rate,
    bench_load_kg,
    coordination_time,
    drag_rate,
    imbalance,
    parking_rate,
    train_rate,
    whole_rate,
)
from lanes.checklist import Checklist
from lanes.evidence import Evidence, Numbered
from lanes.headlamps import intensity_sum, main_beams
from lanes.item_codes import axle_of, position
from lanes.limits import Axle, Bench, Limit
from lanes.measured import derived, problem
from lanes.quantity import Derived
from lanes.record import (
    BenchVerdict,
    BrakeMeasured,
    Finding,
    HeadlampMeasured,
    Instrumental,
    Load,
    Measurement,
    RoadTested,
    SideslipMeasured,
)
from lanes.rulebook import Rulebook
from lanes.weight import axle_load_kg, vehicle_load_kg

UNLIMITED_PLACES = 1  # decimals of a value that no limit judges (n(4,1) in the platform's fields)


class Readings:
    """One attempt's usable instrument readings beside the limits that are in force for it."""

    def __init__(self, evidence: Evidence, rulebook: Rulebook, on: date) -> None:
        self.evidence, self.rulebook, self.on = evidence, rulebook, on
        self.brakes = {item: pair for item, pair in evidence.brakes.items() if self._usable(pair[1])}
        self.weighed = {
            axle: pair for axle, pair in sorted(evidence.weights.items()) if self._usable(pair[1])
        }
        axles = range(1, evidence.vehicle.axles + 1)
        self.weights = {axle: self.weighed[axle] for axle in axles if axle in self.weighed}
        others = [pair for _, pair in sorted(evidence.measured.items())]
        slips = [] if evidence.sideslip is None else [evidence.sideslip]
        self.measured = [pair for pair in (*slips, *others) if self._usable(pair[1])]

    def findings(self, wanted: Checklist) -> Iterator[Finding]:
        """Findings in the order of the checklist, the whole vehicle's rate after its axles."""
        service = [
            i.item for i in wanted.instruments if axle_of(i.item) in self.weights and i.item in self.brakes
        ]
        for item in service:
            yield from self._axle(item)
        axles = self.evidence.vehicle.axles
        if len(service) == axles:
            yield self._sum("whole", [self.brakes[item] for item in service], self.weights)
        yield from self._train()
        laden = [
            item for item, (_, body) in self.brakes.items() if body.load == "laden" and body.axle <= axles
        ]
        for item in sorted(laden):
            yield from self._axle(item)
        if "B0" in self.brakes and len(self.weights) == axles:
            yield from self._parking()
        for seq, body in self.measured:
            yield from self._instrumental(seq, body)
        yield from self._main_beams()

    def _usable(self, body: Measurement) -> bool:
        return problem(body, self.evidence.vehicle) is None

    # ---- brakes ----------------------------------------------------------------------------------

    def _axle(self, item: str) -> Iterator[Finding]:
        """Rate, imbalance, drag and co-ordination time of one axle; drag belongs to the unladen one."""
        seq, measured = self.brakes[item]
        at = position(measured.axle)
        limit = self._limit("axle_rate", at, measured.bench, measured.load)
        load_kg, weighing = self._load(measured, limit)
        found = [axle_rate(measured, load_kg), imbalance(measured, load_kg)]
        if measured.load == "unladen":
            found.append(drag_rate(measured, self.weights[measured.axle][1]))
        if limit is not None:
            found.append(coordination_time(measured, load_kg, limit.value))
        findings = [
            self._judged(item, one, (seq, *weighing), at, measured.bench, measured.load)
            for one in found
            if one is not None
        ]
        yield from _beside_the_bench(item, seq, measured.bench_verdict, findings)

    def _load(self, measured: BrakeMeasured, limit: Limit | None) -> tuple[Decimal, tuple[int, ...]]:
        """The load a force is a share of, and the weighing it comes from (see lanes/brakes.py)."""
        own = bench_load_kg(measured)
        dynamic = limit is not None and limit.over == "dynamic"
        if own is not None and (dynamic or measured.load == "laden"):
            return own, ()
        seq, weighed = self.weights[measured.axle]
        return axle_load_kg(weighed), (seq,)

    def _sum(self, item: str, pairs: list[Numbered[BrakeMeasured]], axles: Iterable[int]) -> Finding:
        """The rate of all these axles together, of vehicle (``whole``) or combination (``train``)."""
        rate = {"whole": whole_rate, "train": train_rate}[item]
        weights = [self.weighed[axle] for axle in axles]
        found = rate([body for _, body in pairs], vehicle_load_kg([body for _, body in weights]))
        basis = (*(seq for seq, _ in pairs), *(seq for seq, _ in weights))
        return self._judged(item, found, basis, bench=pairs[0][1].bench)

    def _train(self) -> Iterator[Finding]:
        """The combination's rate, once every axle of it was braked and weighed."""
        counted = {body.axle: (seq, body) for seq, body in self.brakes.values() if axle_of(body.item)}
        vehicle = self.evidence.vehicle
        behind = [n for n, (_, body) in counted.items() if body.coupled and n > vehicle.axles]
        axles = range(1, max(behind) + 1) if behind else ()
        if axles and all(n in counted and n in self.weighed for n in axles):
            yield self._sum("train", [counted[n] for n in axles], axles)

    def _parking(self) -> Iterator[Finding]:
        seq, measured = self.brakes["B0"]
        found = parking_rate(measured, vehicle_load_kg([body for _, body in self.weights.values()]))
        basis = (seq, *(weight_seq for weight_seq, _ in self.weights.values()))
        findings = [self._judged("B0", found, basis, bench=measured.bench)]
        yield from _beside_the_bench("B0", seq, measured.bench_verdict, findings)

    # ---- other instruments -----------------------------------------------------------------------

    def _instrumental(self, seq: int, body: Instrumental | SideslipMeasured) -> Iterator[Finding]:
        load: Load = body.load if isinstance(body, RoadTested) else "unladen"
        values = derived(body, self.evidence.vehicle)
        findings = [self._judged(body.item, one, (seq,), load=load) for one in values]
        yield from _beside_the_bench(body.item, seq, body.bench_verdict, findings)

    def _main_beams(self) -> Iterator[Finding]:
        """The sum of the main beams that are lit at once, when all of them were measured."""
        lamps = [(seq, body) for seq, body in self.measured if isinstance(body, HeadlampMeasured)]
        if len(lamps) >= main_beams(self.evidence.vehicle):
            found = intensity_sum([body for _, body in lamps])
            yield self._judged("headlamps", found, tuple(seq for seq, _ in lamps))

    # ---- limits ----------------------------------------------------------------------------------

    def _limit(self, quantity: str, axle: Axle | None, bench: Bench | None, load: Load) -> Limit | None:
        vehicle, business = self.evidence.vehicle, self.evidence.business
        find = self.rulebook.limits.find
        return find(quantity, vehicle, business, self.on, axle=axle, bench=bench, load=load)

    def _judged(
        self,
        item: str,
        derived: Derived,
        basis: tuple[int, ...],
        axle: Axle | None = None,
        bench: Bench | None = None,
        load: Load = "unladen",
    ) -> Finding:
        """A derived value against its limit; without a limit for this vehicle it is not applicable."""
        limit = self._limit(derived.quantity, axle, bench, load)
        places = UNLIMITED_PLACES if limit is None else limit.places
        found = Finding(
            item=item,
            result="not_applicable",
            quantity=derived.quantity,
            value=derived.words(places),
            unit=derived.unit,
            arithmetic=derived.arithmetic(places),
            basis=basis,
        )
        if limit is None:
            return found
        return replace(
            found,
            result="pass" if limit.judges(derived) else "fail",
            limit=limit.text,
            clause=limit.clause,
            limit_source=limit.source,
            confidence=limit.confidence,
            effective_from=limit.effective_from,
        )


def _beside_the_bench(
    item: str, seq: int, bench_verdict: BenchVerdict, findings: list[Finding]
) -> Iterator[Finding]:
    """The findings, and one more where the bench itself thinks otherwise: kept, told, never what decides."""
    yield from findings
    results = {finding.result for finding in findings} - {"not_applicable"}
    ours = "fail" if "fail" in results else "pass"
    if bench_verdict is not None and results and bench_verdict != ours:
        yield Finding(
            item=item,
            result="not_applicable",
            quantity="bench_verdict",
            value=bench_verdict,
            arithmetic=f"the bench says {bench_verdict}, its readings say {ours}",
            basis=(seq,),
        )
