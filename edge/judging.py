"""chayan judge: every verdict of a journal computed again from its records, and how it compares."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import msgspec
import typer

from edge.failing import fail

if TYPE_CHECKING:
    from edge.recomputing import Recomputation, Recomputed
    from lanes.comparing import Difference, Outcome


def judge_command(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A node's folder, or any volume of its journal")
    ],
    inspection: Annotated[str, typer.Option(help="Only this inspection, finding by finding")] = "",
    as_of: Annotated[
        datetime | None, typer.Option(formats=["%Y-%m-%d"], help="Also by the newest rules, as of this date")
    ] = None,
    today: Annotated[bool, typer.Option("--today", help="The same as of today")] = False,
    rules: Annotated[
        list[Path] | None,
        typer.Option(help="A folder of rules in place of those installed; more of them: older editions"),
    ] = None,
    timezone: Annotated[str, typer.Option(help="The site's time zone: which day is whose")] = "Asia/Shanghai",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Judge the inspections of a journal again, by the rules of their day, and compare with the record."""
    from central_sync.volumes import JournalError, JournalReader, first_volume
    from edge.recomputing import Editions, Recomputation, RecomputeError
    from edge.rulebook import RulesError, default_folder, read_rulebook

    zone = _zone(timezone)
    day = _day(as_of, today, zone)
    try:
        given = [read_rulebook(folder) for folder in rules or [default_folder()]]
        reader = JournalReader(target)
        try:
            editions = Editions(given, reader, first_volume(target).parent)
            pass_ = Recomputation(reader, editions, zone, day, inspection)
            tally = _Tally()
            for each in tally.over(pass_.run()):
                if as_json:
                    tally.kept.append(_as_json(each))
                else:
                    _print(each, whole=bool(inspection))
            _conclude(target, tally, pass_, as_json)
        finally:
            reader.close()
    except (JournalError, RulesError, RecomputeError) as error:
        fail(str(error), 2)
    if inspection and not tally.judged:
        fail(f"{target} holds no verdict of inspection {inspection}", 2)
    raise typer.Exit(0 if tally.reproduced == tally.judged else 1)


@dataclass(kw_only=True)
class _Tally:
    """How many verdicts there were, and how many came out again; ``marked``: by rules at hand."""

    judged: int = 0
    reproduced: int = 0
    marked: int = 0
    kept: list[dict[str, Any]] = field(default_factory=list)

    def over(self, found: Iterator["Recomputed"]) -> Iterator["Recomputed"]:
        """Each of them, counted."""
        for each in found:
            self.judged += 1
            self.reproduced += each.reproduced
            self.marked += not each.at_hand
            yield each


def _print(each: "Recomputed", whole: bool) -> None:
    """A line for every verdict that is not plainly what it was; with ``whole`` every finding."""
    if not (whole or each.differences or not each.at_hand or each.as_of is not None):
        return
    mark = "✗" if not each.reproduced else "!" if each.differences or not each.at_hand else "✓"
    name = each.inspection.inspection
    now = _verdict(each.computed)
    line = f"{mark} {name} {each.on}: 记录 recorded {each.recorded.verdict}, 重算 computed {now}"
    if each.as_of is not None:
        line += f", 按新规则 as of {_verdict(each.as_of)}"
    typer.echo(line)
    if not each.at_hand:
        recorded = f"{each.recorded.rules} ({each.recorded.rules_sha256[:12]}…)"
        typer.echo(
            f"    规则 {recorded} 不在此处，按 {each.rules} 重算 · "
            f"the edition {recorded} is not at hand; {each.rules} took its place"
        )
    if whole:
        _print_findings(each)
    _print_differences(each.differences, "≠")
    _print_differences(each.as_of_differences, "as of ≠")


def _print_findings(each: "Recomputed") -> None:
    for finding in each.computed.findings:
        basis = ",".join(map(str, finding.basis))
        said = f"{finding.value}{finding.unit} {finding.limit}".strip()
        typer.echo(f"    {finding.item} {finding.quantity} {said} {finding.result} [{basis}]")


def _print_differences(found: Sequence["Difference"], mark: str) -> None:
    for each in found:
        typer.echo(f"    {mark} {each.words}")


def _verdict(outcome: "Outcome") -> str:
    return outcome.verdict or "—"


def _conclude(target: Path, tally: _Tally, pass_: "Recomputation", as_json: bool) -> None:
    """How it went, over all."""
    facts = {
        "target": str(target),
        "ok": tally.reproduced == tally.judged,
        "verdicts": tally.judged,
        "reproduced": tally.reproduced,
        "rules_not_at_hand": tally.marked,
        "without_verdict": pass_.unjudged,
        "order_not_here": pass_.untold,
    }
    if as_json:
        typer.echo(json.dumps({**facts, "inspections": tally.kept}, ensure_ascii=False))
        return
    typer.echo(
        f"{target}: {tally.judged} 个结论，{tally.reproduced} 个重算一致，{tally.marked} 个的规则不在本机，"
        f"{pass_.unjudged} 个流水无结论，{pass_.untold} 个受理记录不在此处 · "
        f"{tally.judged} verdicts, {tally.reproduced} reproduced, {tally.marked} without their own rules, "
        f"{pass_.unjudged} inspections without verdict, {pass_.untold} whose order is not here"
    )


def _as_json(each: "Recomputed") -> dict[str, Any]:
    plate = each.inspection.vehicle.plate
    shown: dict[str, Any] = {
        "inspection": each.inspection.inspection,
        "plate": None if plate is None else plate.hphm,
        "vin": each.inspection.vehicle.vin,
        "on": each.on.isoformat(),
        "recorded": each.recorded.verdict,
        "recorded_rules": each.recorded.rules,
        "recorded_rules_sha256": each.recorded.rules_sha256,
        "rules": each.rules,
        "rules_at_hand": each.at_hand,
        "reproduced": each.reproduced,
        "computed": _outcome_json(each.computed, each.differences),
    }
    if each.as_of is not None:
        shown["as_of"] = _outcome_json(each.as_of, each.as_of_differences)
    return shown


def _outcome_json(outcome: "Outcome", found: Sequence["Difference"]) -> dict[str, Any]:
    return {
        "verdict": outcome.verdict or None,
        "lacking": [lack.code for lack in outcome.lacking],
        "trouble": outcome.trouble,
        "findings": [msgspec.to_builtins(finding) for finding in outcome.findings],
        "differences": [{**msgspec.to_builtins(each), "deciding": each.deciding} for each in found],
    }


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        fail(f"--timezone {name!r} is no time zone such as Asia/Shanghai", 2)


def _day(as_of: datetime | None, today: bool, zone: ZoneInfo) -> date | None:
    if as_of is not None and today:
        fail("--as-of and --today exclude each other", 2)
    if today:
        return datetime.now(UTC).astimezone(zone).date()
    return None if as_of is None else as_of.date()
