"""From an inspection's journal bytes to its verdict: parse, fold, judge; beside reading the same JSON.

One car's periodic inspection of 60 items with five brake curves of 2 000 samples, told once, twice, four and
eight times over (everything was measured, photographed and checked again). The peer is the standard library's
``json`` on the same bytes in the same run, which only makes dictionaries of them.
"""

import argparse
import json
import sys
import time
import tomllib
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

from edge.desk import evidence
from lanes.checklist import Checklist, checklist
from lanes.inspection import fold
from lanes.item_codes import axle_of
from lanes.judge import judge
from lanes.record import (
    AnyBody,
    AxleWeighed,
    BrakeCurve,
    BrakeMeasured,
    Checked,
    HeadlampMeasured,
    Ordered,
    Photographed,
    Record,
    Reviewed,
    SideslipMeasured,
    SpeedometerMeasured,
    canonical,
    parse,
)
from lanes.rulebook import Rulebook
from lanes.vehicle import Plate, Vehicle

RULES = Path(__file__).parents[1] / "configs" / "rules"
ON, BEGAN = date(2026, 11, 22), datetime(2026, 11, 22, 1, 0, tzinfo=UTC)
ITEMS, SAMPLES = 60, 2000
CURVES = ("B1", "B2", "B0", "B1", "B2")  # each axle was braked twice
TIMES_OVER = (1, 2, 4, 8)
PLACE: dict[str, Any] = {"lane": "1", "station": "bench", "device": "bench-1"}
CAR = Vehicle(
    vin="LTEST1A27R0000001",
    vehicle_class="K33",
    use="A",
    made_on=date(2024, 3, 1),
    gross_mass_kg=1800,
    kerb_mass_kg=1400,
    plate=Plate(hpzl="02", hphm="浙A12345"),
)


def rulebook() -> Rulebook:
    """The rules as they are shipped."""
    return Rulebook.from_tables({path.stem: tomllib.loads(path.read_text()) for path in RULES.glob("*.toml")})


def rows(rules: Rulebook, times: int) -> list[bytes]:
    """Canonical bytes of the inspection, every fact told so many times."""
    wanted = checklist(CAR, "periodic", ON, rules)
    bodies: list[AnyBody] = [Ordered(vehicle=CAR, business="periodic", ordered_by="clerk")]
    for _ in range(times):
        bodies += _measured(wanted)
        bodies += _checked(wanted)
        bodies += _photographed(wanted, len(bodies) + 1)
    return [canonical(_record(seq, body)) for seq, body in enumerate(bodies, 1)]


def _record(seq: int, body: AnyBody) -> Record:
    at = BEGAN + timedelta(milliseconds=250 * seq)
    key = f"bench/{seq}"
    return Record(
        seq=seq, at=at, tick_ms=250 * seq, source="virtual+bench", source_key=key, inspection="i", body=body
    )


def _measured(wanted: Checklist) -> Iterator[AnyBody]:
    for axle, kg in ((1, "322.5"), (2, "287.5")):
        yield AxleWeighed(**PLACE, axle=axle, left_kg=Decimal(kg), right_kg=Decimal(kg))
    yield from map(_braked, CURVES)
    for item in wanted.instruments:
        match item.item[0], item.required:
            case "H", True:
                yield HeadlampMeasured(
                    **PLACE,
                    item=item.item,
                    main_intensity_cd=20_000,
                    dipped_vertical_mm_per_10m=-150,
                    lamp_height_mm=700,
                )
            case "S", True:
                yield SpeedometerMeasured(
                    **PLACE, item=item.item, indicated_kmh=Decimal(40), actual_kmh=Decimal(38)
                )
            case "A", _:
                yield SideslipMeasured(**PLACE, item=item.item, slip_m_per_km=Decimal("1.2"))


def _braked(item: str) -> BrakeMeasured:
    """A press of the pedal in 2 000 samples: rest, rise, hold, release."""
    most = {"B1": 240, "B2": 150, "B0": 160}[item]
    rising = [0] * 200 + [most * n // 800 for n in range(800)] + [most] * 800
    force = tuple(rising + [most * n // 200 for n in range(200, 0, -1)])
    curve = BrakeCurve(interval_ms=10, left_dan=force, right_dan=tuple(max(dan - 8, 0) for dan in force))
    axle = axle_of(item) or 2
    return BrakeMeasured(
        **PLACE, item=item, axle=axle, left_max_dan=most, right_max_dan=most - 8, curve=curve
    )


def _checked(wanted: Checklist) -> Iterator[AnyBody]:
    """What the form asks, and more items up to all in all 60: an officer may judge beyond the form."""
    codes = [item.item for item in wanted.checks]
    others = ITEMS - len(codes) - len(set(CURVES))
    for code in (*codes, *(f"other-{n:02}" for n in range(others))):
        yield Checked(item=code, result="pass", officer="001", value="A")


def _photographed(wanted: Checklist, seq: int) -> Iterator[AnyBody]:
    """Each shot of the list, ``seq`` being that of the first, with what a model thinks of it."""
    for shot in wanted.shots:
        yield Photographed(shot=shot.shot, photo="0" * 64, size_bytes=1, officer="001")
        for question in shot.questions:
            expected = {"plate": "浙A12345", "vin": CAR.vin}.get(question, "")
            yield Reviewed(
                photo_seq=seq,
                photo="0" * 64,
                shot=shot.shot,
                question=question,
                opinion="agree",
                model="bench",
                expected=expected,
                text=expected,
            )
        seq += 1 + len(shot.questions)


def verdict(data: Sequence[bytes], rules: Rulebook) -> tuple[int, str]:
    """Number of findings and verdict of an inspection from its journal bytes."""
    inspection = fold(map(parse, data))
    assert inspection is not None
    findings, said = judge(evidence(inspection), rules, ON)
    return len(findings), said


def compare(rounds: int) -> list[dict[str, Any]]:
    """Best milliseconds of both for each size, their ratio, and how both grew beside the smallest size."""
    rules, found = rulebook(), list[dict[str, Any]]()
    for times in TIMES_OVER:
        data = rows(rules, times)
        findings, said = verdict(data, rules)
        ours, theirs = _best(partial(verdict, data, rules), partial(_read, data), rounds)
        first = found[0]["ms"] if found else {"judged": ours, "json": theirs}
        found.append(
            {
                "records": len(data),
                "bytes": sum(map(len, data)),
                "findings": findings,
                "verdict": said,
                "ms": {"judged": round(ours, 3), "json": round(theirs, 3)},
                "ratio": round(ours / theirs, 2),
                "growth": {
                    "judged": round(ours / first["judged"], 2),
                    "json": round(theirs / first["json"], 2),
                },
            }
        )
        sys.stderr.write(f"{found[-1]}\n")
    return found


def _read(data: Sequence[bytes]) -> list[Any]:
    return [json.loads(row) for row in data]


def _best(ours: Callable[[], object], theirs: Callable[[], object], rounds: int) -> tuple[float, float]:
    """Milliseconds of both, run in turn; the best of each counts, the rest is the machine's other work."""
    took: tuple[list[float], list[float]] = ([], [])
    for _ in range(rounds):
        for work, times in zip((ours, theirs), took, strict=True):
            began = time.perf_counter()
            work()
            times.append(time.perf_counter() - began)
    return min(took[0]) * 1000, min(took[1]) * 1000


def main(arguments: Sequence[str] | None = None) -> int:
    """Entry point of ``make bench ARGS="judging --json"``."""
    parser = argparse.ArgumentParser(prog="benchmarks.judging", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument(
        "--rounds", type=int, default=50, help="runs of each size, the best counts (default 50)"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object on standard output")
    chosen = parser.parse_args(arguments)
    if chosen.rounds < 1:
        parser.error(f"--rounds {chosen.rounds}: at least 1")
    found = compare(chosen.rounds)
    if chosen.json:
        print(json.dumps({"benchmark": "judging", "items": ITEMS, "samples": SAMPLES, "sizes": found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
