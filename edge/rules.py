"""`chayan rules …`: look a folder of rules over, compare two, explain what one vehicle must pass and why."""

import json
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias

import msgspec
import typer

from edge.failing import fail
from edge.rulebook import RulesError, read_rulebook
from edge.settings import SettingsError, SiteFile, nearest
from lanes.explain import Explanation, Told, Why, explain
from lanes.rulebook import Rulebook
from lanes.rulecheck import Doubt, doubts
from lanes.rulediff import Change, changes
from lanes.samples import ordinary
from lanes.scope import RuleError
from lanes.tables import Label
from lanes.vehicle import Vehicle

rules_app = typer.Typer(
    help="Look rules over, compare them, explain what a vehicle must pass and why.", no_args_is_help=True
)
Language: TypeAlias = Literal["zh", "en", "both"]
LEAVABLE = ("check", "instrument", "group")  # kinds of item that a site may leave out
_HEADS = {
    "who": Label(zh="谁可以查验", en="Who may inspect"),
    "items": Label(zh="项目", en="Items"),
    "shots": Label(zh="照片", en="Photos"),
    "artefacts": Label(zh="其他资料", en="Beside items and photos"),
    "absent": Label(zh="不单独查验的项目", en="Items not asked for here"),
    "sources": Label(zh="来源", en="Sources"),
}
_WHATS = {
    "added": Label(zh="新增", en="added"),
    "removed": Label(zh="删除", en="removed"),
    "changed": Label(zh="更改", en="changed"),
    "source": Label(zh="来源更改", en="source changed"),
}

_ORDINARY = {
    "zh": "（未给出的数据按该类型的一般车辆）",
    "en": "(what was not given is that of an ordinary vehicle of the class)",
}

AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON object")]
Lang = Annotated[Language, typer.Option(help="Language; both: Chinese first, then English")]
OnDay = Annotated[datetime | None, typer.Option("--date", formats=["%Y-%m-%d"], help="Day of the inspection")]


def _read(folder: Path | None) -> Rulebook:
    try:
        return read_rulebook(folder)
    except RulesError as error:
        fail(str(error))


def _day(chosen: datetime | None) -> date:
    return (chosen or datetime.now(UTC)).date()


def _print_json(body: Any) -> None:
    typer.echo(json.dumps(msgspec.to_builtins(body), ensure_ascii=False))


def _languages(lang: Language) -> tuple[str, ...]:
    return ("zh", "en") if lang == "both" else (lang,)


def _in(label: Label | Doubt, language: str) -> str:
    return label.zh if language == "zh" else label.en


# ---- check ---------------------------------------------------------------------------------------


@rules_app.command("check")
def check_command(
    folder: Annotated[Path | None, typer.Argument(metavar="FOLDER", help="Default: those installed")] = None,
    on: OnDay = None,
    lang: Lang = "both",
    strict: Annotated[bool, typer.Option("--strict", help="End with 1 when there is a warning")] = False,
    as_json: AsJson = False,
) -> None:
    """Look a folder of rules over: gaps, rows without use, codes nobody knows, items nobody can measure."""
    rulebook = _read(folder)
    found = doubts(rulebook, _day(on))
    warnings = [each for each in found if each.level == "warning"]
    if as_json:
        _print_json({"rules": rulebook.name, "rules_sha256": rulebook.rules_sha256, "doubts": found})
    else:
        for language in _languages(lang):
            _print_doubts(rulebook, found, language)
    raise typer.Exit(1 if strict and warnings else 0)


def _print_doubts(rulebook: Rulebook, found: tuple[Doubt, ...], language: str) -> None:
    levels = (
        {"warning": "警告", "note": "提示"} if language == "zh" else {"warning": "warning", "note": "note"}
    )
    for each in found:
        typer.echo(f"{levels[each.level]}: {_in(each, language)}")
    rows = len(rulebook.item_needs) + len(rulebook.shot_needs) + len(rulebook.limits.rows)
    counts = {level: sum(each.level == level for each in found) for level in levels}
    if language == "zh":
        typer.echo(
            f"规则 {rulebook.name}：可以使用，{rows} 行，{counts['warning']} 条警告，{counts['note']} 条提示"
        )
    else:
        said = f"{rows} rows, {counts['warning']} warnings, {counts['note']} notes"
        typer.echo(f"rules {rulebook.name}: usable, {said}")


# ---- diff ----------------------------------------------------------------------------------------


@rules_app.command("diff")
def diff_command(
    before: Annotated[Path, typer.Argument(metavar="A", help="Folder of the rules before")],
    after: Annotated[Path, typer.Argument(metavar="B", help="Folder of the rules after")],
    lang: Lang = "both",
    as_json: AsJson = False,
) -> None:
    """Compare two folders of rules row by row: what changes, for which vehicles and days."""
    old, new = _read(before), _read(after)
    found = changes(old, new)
    if as_json:
        _print_json({"before": old.rules_sha256, "after": new.rules_sha256, "changes": found})
        return
    for language in _languages(lang):
        for change in found:
            typer.echo(_change_line(change, language))
        typer.echo(f"共 {len(found)} 处不同" if language == "zh" else f"{len(found)} differences")


def _change_line(change: Change, language: str) -> str:
    said = [_in(each, language) for each in (change.before, change.after) if each is not None]
    code = f" {change.code}" if change.code else ""
    return (
        f"{_in(_WHATS[change.what], language)} {change.table}{code} "
        f"[{_in(change.scope, language)}]: {' → '.join(said)}"
    )


# ---- explain -------------------------------------------------------------------------------------


@rules_app.command("explain")
def explain_command(
    business: Annotated[str, typer.Option(help="Business, a code of rulebook.toml")],
    vehicle_class: Annotated[str, typer.Option("--class", help="Vehicle class (cllx), such as K33")],
    use: Annotated[str, typer.Option(help="Use (syxz), such as A; default: ordinary for the class")] = "",
    made: Annotated[
        datetime | None,
        typer.Option(formats=["%Y-%m-%d"], help="Date of manufacture; default: that of the inspection"),
    ] = None,
    on: OnDay = None,
    mass: Annotated[int | None, typer.Option(min=1, help="Gross mass, kg; default: ordinary")] = None,
    kerb: Annotated[int | None, typer.Option(min=1, help="Kerb mass, kg; default: ordinary")] = None,
    axles: Annotated[int | None, typer.Option(min=1, max=6, help="Axles; default: ordinary")] = None,
    seats: Annotated[int | None, typer.Option(min=1, help="Persons; default: ordinary")] = None,
    lamps: Annotated[Literal["one", "two", "four"], typer.Option(help="Headlamps")] = "two",
    suspension: Annotated[
        Literal["independent", "dependent"], typer.Option(help="Suspension of the steering axle")
    ] = "independent",
    imported: Annotated[bool, typer.Option("--imported", help="Made abroad")] = False,
    folder: Annotated[Path | None, typer.Option(help="Folder of rules; default: those installed")] = None,
    lang: Lang = "both",
    as_json: AsJson = False,
) -> None:
    """Explain item by item what one vehicle must pass and why: the row, its source, who may inspect it."""
    rulebook, day = _read(folder), _day(on)
    try:
        vehicle = msgspec.structs.replace(
            ordinary(
                _known("--class", vehicle_class, "vehicle_classes", rulebook),
                day if made is None else made.date(),
                use=use,
                gross_mass_kg=mass,
                kerb_mass_kg=kerb,
                axles=axles,
                seats=seats,
            ),
            lamps=lamps,
            steer_suspension=suspension,
            imported=imported,
        )
        _known("--use", vehicle.use, "uses", rulebook)
        told = explain(vehicle, business, day, rulebook)
    except RuleError as error:
        fail(str(error))
    if as_json:
        _print_json({"vehicle": vehicle, "business": business, "on": day, "explanation": told})
        return
    for language in _languages(lang):
        for line in _lines(told, vehicle, business, day, rulebook, language):
            typer.echo(line)


def _known(option: str, code: str, table: str, rulebook: Rulebook) -> str:
    """The code, which codes.toml must name: that a class group begins so is not enough."""
    known = rulebook.names[table]
    if code not in known:
        fail(f"{option} {code!r} is in no row of codes.toml of {rulebook.name}{nearest(code, known)}")
    return code


def _lines(
    told: Explanation, vehicle: Vehicle, business: str, day: date, rulebook: Rulebook, language: str
) -> Iterator[str]:
    yield from _title(vehicle, business, day, rulebook, language)
    yield _ORDINARY[language]
    yield ("依据：" if language == "zh" else "by: ") + told.basis
    yield f"\n# {_in(_HEADS['who'], language)}"
    yield from (f"- {_in(word, language)}" for word in told.who.words)
    yield from (f"    {_because(why, language)}" for why in told.who.why)
    for name in ("items", "shots", "artefacts", "absent"):
        entries: tuple[Told, ...] = getattr(told, name)
        if entries:
            yield f"\n# {_in(_HEADS[name], language)} ({len(entries)})"
            yield from _entries(entries, language)
    sources = _sources(told)
    yield f"\n# {_in(_HEADS['sources'], language)} ({len(sources)})"
    yield from (f"- {source}" for source in sources)
    yield ""


def _sources(told: Explanation) -> tuple[str, ...]:
    """Every source that a row rests on, as the rules name it, once."""
    entries = (*told.items, *told.shots, *told.artefacts, *told.absent)
    rows = (*told.who.why, *(each.why for each in entries if each.why is not None))
    return tuple(sorted({source for row in rows for source in row.sources}))


def _title(vehicle: Vehicle, business: str, day: date, rulebook: Rulebook, language: str) -> Iterator[str]:
    def name(table: str, code: str) -> str:
        return f"{code} {_in(rulebook.names[table][code], language)}"

    facts = (
        f"{vehicle.gross_mass_kg}/{vehicle.kerb_mass_kg} kg",
        f"{vehicle.axles} 轴，{vehicle.seats} 人"
        if language == "zh"
        else f"{vehicle.axles} axles, {vehicle.seats} persons",
        f"出厂 {vehicle.made_on}" if language == "zh" else f"made {vehicle.made_on}",
        f"查验 {day}" if language == "zh" else f"inspected {day}",
    )
    head = _in(rulebook.names["businesses"][business], language)
    kind, use = name("vehicle_classes", vehicle.vehicle_class), name("uses", vehicle.use)
    yield f"== {head} · {kind} · {use} · {' · '.join(facts)} =="


def _entries(entries: tuple[Told, ...], language: str) -> Iterator[str]:
    """Each with its need, its limits and the row that decided, under the heading of its group."""
    heading = ""
    for each in entries:
        group = "" if each.group is None else _in(each.group, language)
        if group and group != heading:
            heading = group
            yield f"[{group}]"
        yield f"- {each.code} {_in(each.name, language)}: {_in(each.need, language)}"
        yield from (f"    {_in(limit, language)}" for limit in each.limits)
        for why in (each.why,) if each.why is not None else ():
            yield f"    {_because(why, language)}"
            yield from (
                ("    优先于 " if language == "zh" else "    goes before ") + _in(wider, language)
                for wider in why.wider
            )


def _because(why: Why, language: str) -> str:
    comma = "、" if language == "zh" else ", "
    sources = comma.join(source.partition(":")[0] for source in why.sources)
    where, scope, sure = _in(why.where, language), _in(why.scope, language), _in(why.sure, language)
    if language == "zh":
        return f"因 {where}：{scope}；来源 {sources}，{sure}（{why.confidence}）"
    return f"by {where}: {scope}; source {sources}, {sure} ({why.confidence})"


# ---- what a site leaves out ----------------------------------------------------------------------


def must_know_left_out(path: Path, site: SiteFile, rulebook: Rulebook) -> None:
    """Raises SettingsError for a code in [rules] left_out that these rules do not have."""
    known = [code for code, item in rulebook.items.items() if item.kind in LEAVABLE]
    unknown = [code for code in site.rules.left_out if code not in known]
    if unknown:
        raise SettingsError(
            "\n".join(
                f"{path}: [rules] left_out: {code!r} is no item of {rulebook.name}{nearest(code, known)}"
                for code in unknown
            )
        )


def left_out_warnings(site: SiteFile, rulebook: Rulebook) -> tuple[str, ...]:
    """What it means that this site leaves items out, one line each."""
    names = rulebook.names["items"]
    return tuple(
        f"[rules] left_out: {code} {names[code].zh} {names[code].en}: not inspected here; "
        f"every order records it, every verdict names it as not applicable: {site.rules.left_out_why}"
        for code in site.rules.left_out
    )
