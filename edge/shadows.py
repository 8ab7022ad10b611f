"""chayan review shadow: how a candidate has answered beside the current models, by the journal's word."""

import json
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from edge.failing import fail

if TYPE_CHECKING:
    from lanes.record import Shadowed

OPINIONS_ZH = {"agree": "一致", "disagree": "不一致", "unsure": "存疑"}


def shadow_command(
    target: Annotated[
        Path, typer.Argument(metavar="TARGET", help="A node's folder, or any volume of its journal")
    ],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Tell how many photos a candidate was compared on, and how its answers differ."""
    from central_sync.volumes import JournalError, JournalReader
    from edge.recomputing import RecomputeError, records
    from lanes.record import Shadowed

    try:
        reader = JournalReader(target)
        try:
            found = [
                (record.seq, record.inspection or "", record.body)
                for record in records(reader, b'"kind":"shadowed"')
                if isinstance(record.body, Shadowed)
            ]
        finally:
            reader.close()
    except (JournalError, RecomputeError) as error:
        fail(str(error), 2)
    told = tally(found)
    typer.echo(
        json.dumps({"target": str(target), "candidates": told}, ensure_ascii=False)
        if as_json
        else words(told)
    )


def tally(found: Iterable[tuple[int, str, "Shadowed"]]) -> list[dict[str, Any]]:
    """Of (seq, inspection, body): for each candidate and question how many, and how they differ."""
    groups: dict[tuple[str, str], list[tuple[int, str, Shadowed]]] = {}
    compared: Counter[str] = Counter()
    left_out: Counter[str] = Counter()
    for each in found:
        body = each[2]
        compared[body.candidate] += body.compared
        left_out[body.candidate] += body.left_out
        if differs(body):
            groups.setdefault((body.candidate, body.question), []).append(each)
    return [
        {
            "candidate": name,
            "compared": compared[name],
            "left_out": left_out[name],
            "differ": sum(len(some) for (whose, _), some in groups.items() if whose == name),
            "questions": {
                question: _question(some) for (whose, question), some in groups.items() if whose == name
            },
        }
        for name in compared
    ]


def differs(body: "Shadowed") -> bool:
    """Whether candidate and current model told different things; the others only carry their number."""
    return (body.opinion, body.text) != (body.current_opinion, body.current_text)


def _question(some: list[tuple[int, str, "Shadowed"]]) -> dict[str, Any]:
    moves = Counter(f"{body.current_opinion} -> {body.opinion}" for _, _, body in some)
    return {
        "differ": len(some),
        "opinions": dict(moves.most_common()),
        "texts": sum(body.text != body.current_text for _, _, body in some),
        "photos": [
            {
                "seq": seq,
                "inspection": inspection,
                "photo_seq": body.photo_seq,
                "current": body.current_text,
                "current_opinion": body.current_opinion,
                "candidate": body.text,
                "opinion": body.opinion,
            }
            for seq, inspection, body in some
        ],
    }


def words(told: list[dict[str, Any]]) -> str:
    """The same for people."""
    if not told:
        return "没有候选模型的对照记录 · no candidate was compared, see [shadow] of the site file"
    lines = []
    for each in told:
        lines.append(
            f"候选 candidate {each['candidate']}（仅对照，不作判定 · decides nothing）: 对照 compared "
            f"{each['compared']}, 不同 differ {each['differ']}, 略过 left out {each['left_out']}"
        )
        for question, what in each["questions"].items():
            lines.append(f"  {question}: 不同 differ {what['differ']}, 文字不同 texts {what['texts']}")
            lines += [f"    {_both(move)}: {count}" for move, count in what["opinions"].items()]
    return "\n".join(lines)


def _both(move: str) -> str:
    before, _, after = move.partition(" -> ")
    return f"{OPINIONS_ZH[before]} → {OPINIONS_ZH[after]} · {before} → {after}"
