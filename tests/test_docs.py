"""The pages are held to the code: records, rooms, journeys, commands, settings, links, forbidden words."""

import asyncio
import hashlib
import importlib
import importlib.metadata
import importlib.util
import json
import math
import re
import subprocess
import tomllib
from collections.abc import Iterator
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, get_args

import msgspec
import pytest
import typer
from msgspec import Meta, Struct

from edge import settings
from edge.__main__ import app
from edge.children import nats_config
from edge.operating import OperatorAct
from firmware_bridge.catalog import KINDS
from lanes.calibration import Policy
from lanes.inspection import TRANSITIONS, Inspection, fold
from lanes.irregular_words import SAYS
from lanes.layout import OUTPUTS, SENSORS, Lane, Station
from lanes.record import (
    AnyBody,
    Arrived,
    Body,
    Judged,
    Moved,
    Ordered,
    Record,
    canonical,
    genesis,
    link,
    parse,
)
from lanes.vehicle import Vehicle
from models.catalog import catalog
from tests.edge_parts import edge_at

ROOT = Path(__file__).parents[1]
ROOTS = ("edge", "lanes", "models", "firmware_bridge", "central_sync")
BODIES: tuple[type[Body], ...] = get_args(AnyBody)
CODE = re.compile(r"`([^`\n]+)`")
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def page(name: str) -> str:
    """A page of the repository."""
    return (ROOT / name).read_text(encoding="utf-8")


def sections(text: str, level: int) -> dict[str, str]:
    """Heading -> what stands under it, to the next heading of this level or above."""
    text = FENCE.sub(lambda fence: fence[0].replace("\n#", "\n #"), text)
    parts = re.split(rf"^(#{{1,{level}}}) (.+)$", text, flags=re.MULTILINE)
    return {
        title: body
        for marks, title, body in zip(parts[1::3], parts[2::3], parts[3::3], strict=True)
        if len(marks) == level
    }


def cells(text: str) -> list[list[str]]:
    """The rows of all tables of a text, without their headings."""
    lines = [line for line in text.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    rules = {n for n, row in enumerate(rows) if set("".join(row)) <= set("-: ")}
    heads = {n - 1 for n in rules}
    return [row for n, row in enumerate(rows) if n not in rules | heads]


def first_column(text: str) -> list[str]:
    """The code words of the first column of all tables."""
    return [word for row in cells(text) for word in CODE.findall(row[0])]


def field_names(struct: type[Struct]) -> list[str]:
    """Fields as they are spelled outside."""
    return [field.encode_name for field in msgspec.structs.fields(struct)]


def tracked(*patterns: str) -> list[str]:
    """Files that git knows and that are here."""
    command = ["git", "-c", "safe.directory=*", "ls-files", "-z", "--", *patterns]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, check=True).stdout.decode()
    return [name for name in listed.split("\0") if name and (ROOT / name).is_file()]


# ---- records -------------------------------------------------------------------------------------


def tag(body: type[Body]) -> str:
    """The kind of a body as it stands in a journal."""
    return str(body.__struct_config__.tag)


def structs_in(kind: Any) -> Iterator[type[Struct]]:
    """Structs that a type is made of, however deep."""
    if isinstance(kind, type) and issubclass(kind, Struct):
        yield kind
        for field in msgspec.structs.fields(kind):
            yield from structs_in(field.type)
    for argument in get_args(kind):
        yield from structs_in(argument)


def test_the_envelope_is_documented() -> None:
    assert first_column(sections(page("docs/records.md"), 2)["Envelope"]) == field_names(Record)


def test_every_kind_of_record_is_documented_and_no_other() -> None:
    found = [title.strip("`") for title in sections(page("docs/records.md"), 3) if title.startswith("`")]
    assert found == [tag(body) for body in BODIES]


@pytest.mark.parametrize("body", BODIES, ids=tag)
def test_every_field_of_a_kind_is_documented_and_no_other(body: type[Body]) -> None:
    section = sections(page("docs/records.md"), 3)[f"`{tag(body)}`"]
    assert first_column(section) == field_names(body)


def test_every_part_of_a_body_is_documented_and_no_other() -> None:
    parts = {
        part for body in BODIES for field in msgspec.structs.fields(body) for part in structs_in(field.type)
    }
    documented = sections(sections(page("docs/records.md"), 2)["Parts of bodies"], 3)
    assert {title: first_column(text) for title, text in documented.items()} == {
        part.__name__: field_names(part) for part in parts
    }


def test_the_worked_example_can_be_computed() -> None:
    example = sections(page("docs/records.md"), 3)["Worked example"]
    node = re.findall(r"Node `([a-z0-9-]+)`", example)[0]
    heads = re.findall(r"^[0-9a-f]{64}$", example, re.MULTILINE)
    lines = [line.encode() for line in re.findall(r"^\{.+\}$", example, re.MULTILINE) if '"seq"' in line]
    by_hand, ours = [hashlib.sha256(f"chayan journal 1\n{node}".encode()).digest()], [genesis(node)]
    for data in lines:
        assert canonical(parse(data)) == data
        by_hand.append(hashlib.sha256(by_hand[-1] + data).digest())
        ours.append(link(ours[-1], data))
    assert [head.hex() for head in by_hand] == [head.hex() for head in ours] == heads
    assert [int(size) for size in re.findall(r"\((\d+) bytes\)", example)] == [len(data) for data in lines]


# ---- architecture --------------------------------------------------------------------------------


def test_every_module_has_its_line() -> None:
    rooms = sections(page("docs/architecture.md"), 2)["Rooms"]
    modules = tracked(*(f"{root}/*.py" for root in ROOTS))
    assert sorted(first_column(rooms)) == sorted(modules)
    assert all(len(row) == 2 and row[1] for row in cells(rooms))


def look_up(dotted: str) -> object:
    """The module, class or function of a dotted name; raises when there is none."""
    parts = dotted.split(".")
    for cut in range(len(parts), 0, -1):
        name = ".".join(parts[:cut])
        if importlib.util.find_spec(parts[0]) and _is_module(name):
            found: object = importlib.import_module(name)
            for part in parts[cut:]:
                found = getattr(found, part)
            return found
    raise LookupError(dotted)


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").is_file() or (path / "__init__.py").is_file()


def named(text: str) -> list[str]:
    """Dotted names of our own code in a page."""
    return re.findall(rf"`((?:{'|'.join(ROOTS)})(?:\.\w+)+)`", text)


@pytest.mark.parametrize("name", tracked("*.md"))
def test_every_named_function_and_file_exists(name: str) -> None:
    text = page(name)
    for dotted in named(text):
        look_up(dotted)
    folders = (*ROOTS, "configs", "deploy", "docs", "tests", "benchmarks")
    paths = re.findall(rf"`((?:{'|'.join(folders)})/[\w./-]+\.(?:py|toml|md|txt|sh))`", text)
    assert [path for path in paths if not (ROOT / path).exists() and "NAME" not in path] == []


@pytest.mark.parametrize(
    ("journey", "first", "last"),
    [
        (
            "The journey of a brake reading",
            "firmware_bridge.link.Link.read",
            "central_sync.journal.Journal.settle",
        ),
        ("The journey of a VIN photo", "edge.acts.Acts.put_photo", "central_sync.registry.marks.Marks.put"),
    ],
)
def test_a_journey_is_told_from_end_to_end(journey: str, first: str, last: str) -> None:
    names = named(sections(page("docs/architecture.md"), 2)[journey])
    assert names.index(first) < names.index(last)
    assert {name.partition(".")[0] for name in names} >= {"edge", "lanes", "firmware_bridge", "central_sync"}
    assert callable(look_up(first))
    assert callable(look_up(last))


def test_the_diagram_of_phases_is_the_table() -> None:
    diagram = dict(FENCE.findall(page("docs/architecture.md")))["mermaid"]
    arrows = re.findall(r"^ +(\S+) --> (\S+): (.+)$", diagram, re.MULTILINE)
    table = [(before, after, tag(kind)) for (before, kind), after in TRANSITIONS.items()]
    assert sorted(arrows) == sorted([("[*]", "waiting", "ordered"), *table, ("judged", "gone", "moved out")])


def test_the_last_arrow_of_the_diagram_holds() -> None:
    vehicle = Vehicle(
        vin="LTESTA",
        vehicle_class="K33",
        use="A",
        made_on=date(2026, 1, 1),
        gross_mass_kg=1800,
        kerb_mass_kg=1400,
    )
    bodies: list[AnyBody] = [
        Ordered(vehicle=vehicle, business="registration", ordered_by="c"),
        Arrived(lane="1"),
        Judged(verdict="pass", findings=(), rules="r", rules_sha256="0" * 64),
        Moved(lane="1", station=""),
    ]
    phases = []
    for count in range(1, len(bodies) + 1):
        inspection = fold(_record(seq, body) for seq, body in enumerate(bodies[:count], 1))
        assert isinstance(inspection, Inspection)
        phases.append(inspection.phase)
    assert phases == ["waiting", "on_lane", "judged", "gone"]


def _record(seq: int, body: AnyBody) -> Record:
    moment = datetime(2026, 11, 22, tzinfo=UTC)
    return Record(seq=seq, at=moment, tick_ms=seq, source="s", source_key=str(seq), inspection="i", body=body)


def test_every_irregularity_is_documented_with_the_acts_that_mend_it() -> None:
    title = "What is not as it should be on a lane"
    rows = {CODE.findall(row[0])[0]: row[2] for row in cells(sections(page("docs/operations.md"), 2)[title])}
    assert list(rows) == list(SAYS)
    for code, says in SAYS.items():
        assert set(CODE.findall(rows[code])) == set(says.acts), code


def test_every_act_of_an_operator_is_documented() -> None:
    text = sections(page("docs/api.md"), 2)["The operator's acts"]
    shown_acts = [json.loads(line) for line in re.findall(r"^\{.+\}$", text, re.MULTILINE)]
    kinds = [act.__struct_config__.tag for act in get_args(OperatorAct)]
    assert [each["kind"] for each in shown_acts] == kinds
    for each, act in zip(shown_acts, get_args(OperatorAct), strict=True):
        assert set(each) - {"kind"} == set(field_names(act))
    codes = set(re.findall(r'"([a-z-]+)",\n', page("edge/operator_permits.py")))
    codes |= set(re.findall(r'ActError\(\n? *\d{3}, "([a-z-]+)"', page("edge/operator_permits.py")))
    assert codes <= set(CODE.findall(text)), codes


def test_decisions_are_numbered_and_whole() -> None:
    names = sorted(path.name for path in (ROOT / "docs/decisions").glob("*.md"))
    assert [name[:4] for name in names] == [f"{n:04}" for n in range(1, len(names) + 1)]
    for name in names:
        text = page(f"docs/decisions/{name}")
        assert text.startswith(f"# {name[:4]} "), name
        assert re.findall(r"^\*\*(\w+)\.\*\*", text, re.MULTILINE) == [
            "Context",
            "Decision",
            "Why",
            "Consequence",
        ], name


# ---- commands and settings -----------------------------------------------------------------------


def commands(group: Any, above: str = "chayan") -> Iterator[tuple[str, Any]]:
    """(path, command) of every command that does something."""
    context = typer.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if hasattr(command, "commands"):
            yield from commands(command, f"{above} {name}")
        else:
            yield f"{above} {name}", command


COMMANDS = dict(commands(typer.main.get_command(app)))


def options(command: Any) -> set[str]:
    """Every spelling of every long option but --help."""
    spellings = {
        each for parameter in command.params for each in (*parameter.opts, *parameter.secondary_opts)
    }
    return {each for each in spellings if each.startswith("--")} - {"--help"}


def section_of(command: str) -> str:
    """What operations.md says of a command; raises StopIteration."""
    found = sections(page("docs/operations.md"), 3).items()
    return next(text for title, text in found if title.startswith("chayan") and f"{command} " in f"{title} ")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_is_documented(command: str) -> None:
    section = section_of(command)
    assert {word for word in first_column(section) if word.startswith("--")} == options(COMMANDS[command])
    for parameter in COMMANDS[command].params:
        if isinstance(parameter.default, int | float) and not isinstance(parameter.default, bool):
            row = next(row for row in cells(section) if CODE.findall(row[0])[0] == parameter.opts[0])
            assert float(row[1].split()[0]) == float(parameter.default), parameter.name


def test_no_command_is_documented_that_is_not_there() -> None:
    titles = [title for title in sections(page("docs/operations.md"), 3) if title.startswith("chayan")]
    told = {match for title in titles for match in re.findall(r"chayan(?: [a-z][a-z-]*)+", title)}
    assert {name.removesuffix(" and") for name in told} == set(COMMANDS)


def test_units_of_the_install_page_start_real_commands() -> None:
    text = page("docs/install.md").replace("\\\n", " ")
    starts = [
        line.split("/bin/", 1)[1].split() for line in text.splitlines() if line.startswith("ExecStart=")
    ]
    ours = [" ".join(words) for words in starts if words[0] == "chayan"]
    assert len(ours) == 3
    for line in ours:
        command = max((each for each in COMMANDS if line.startswith(f"{each} ")), key=len)
        assert set(re.findall(r"(--[a-z-]+)", line)) <= options(COMMANDS[command]), line


def test_options_of_chaos_are_documented() -> None:
    known = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', page("benchmarks/chaos/__main__.py")))
    assert set(first_column(sections(page("docs/operations.md"), 2)["make chaos"])) == known


def test_targets_of_make_that_pages_name_exist() -> None:
    targets = set(re.findall(r"^([a-z]+):", page("Makefile"), re.MULTILINE))
    for name in tracked("*.md"):
        assert set(re.findall(r"`make ([a-z]+)", page(name))) <= targets, name


def test_mutants_meet_every_test_of_the_rules() -> None:
    told = tomllib.loads(page("pyproject.toml"))["tool"]["mutmut"]
    assert told["pytest_add_cli_args_test_selection"] == tracked("tests/test_lanes_*.py")
    assert set(told["only_mutate"]) <= set(tracked("lanes/*.py"))


TABLES: dict[str, tuple[type[Struct], ...]] = {
    "[site]": (settings.Site,),
    "[node]": (settings.Node,),
    "[broker]": (settings.BrokerAddress,),
    "[api]": (settings.Api,),
    "[push]": (settings.PushAddress,),
    "[registry]": (settings.Registry,),
    "[[destinations]]": (settings.Registry,),
    "[journal]": (settings.JournalPolicy,),
    "[photos]": (settings.PhotoPolicy,),
    "[video]": (settings.VideoPolicy,),
    "[disk]": (settings.Disk,),
    "[raw]": (settings.RawPolicy,),
    "[calibration]": (Policy,),
    "[rules]": (settings.RulesPolicy,),
    "[shadow]": (settings.Shadow,),
    "[bundles]": (settings.Bundles,),
    "[[officers]]": (settings.Officer,),
    "[[lanes]]": (Lane, Station),
    "[[devices]]": (settings.DeviceEntry,),
}


def test_every_table_of_the_site_file_is_documented() -> None:
    titles = {title for title in sections(page("docs/operations.md"), 3) if title.startswith("[")}
    assert titles == set(TABLES)
    assert {title.strip("[]") for title in titles} == set(field_names(settings.SiteFile))


@pytest.mark.parametrize("title", TABLES)
def test_every_key_of_the_site_file_is_documented_with_its_default(title: str) -> None:
    rows = [row for row in cells(sections(page("docs/operations.md"), 3)[title]) if len(row) == 4]
    fields = [f for struct in TABLES[title] for f in msgspec.structs.fields(struct) if f.name != "config"]
    assert [CODE.findall(row[0])[0] for row in rows] == [field.encode_name for field in fields]
    for row, field in zip(rows, fields, strict=True):
        optional = title == "[[devices]]" and field.name in ("lane", "station")  # by role, see the page
        assert optional or row[2].strip("`") == shown(field), f"{title} {field.name}"
        check_range(row[1], field)


def shown(field: Any) -> str:
    """A default as the page writes it."""
    if field.required:
        return ""
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return "none" if field.default in (None, "", ()) else str(field.default)


def check_range(cell: str, field: Any) -> None:
    """Where a number has bounds, the cell gives them; ``as …`` and ``register`` point to others."""
    bounds = [meta for meta in getattr(field.type, "__metadata__", ()) if isinstance(meta, Meta)]
    for meta in bounds:
        if meta.ge is not None and not cell.startswith(("as ", "register")):
            assert cell == f"{meta.ge:.10g}–{meta.le:.10g}", field.name


def device_rows(kind: str) -> dict[str, list[str]]:
    """Key -> row of the table of keys on the page of a kind of device."""
    return {CODE.findall(row[0])[0]: row for row in cells(page(f"docs/devices/{kind}.md")) if len(row) == 4}


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_device_has_a_page_with_its_keys_and_their_ranges(kind: str) -> None:
    rows = device_rows(kind)
    known = {field.encode_name: field for field in msgspec.structs.fields(KINDS[kind].config)}
    assert set(rows) == set(known)
    for key, (_, meaning, reach, default) in rows.items():
        assert meaning
        check_range(reach, known[key])
        if known[key].required or isinstance(known[key].default, int | float):
            said = default.split(",")[0].strip("`")
            assert said in (shown(known[key]), shown(known[key]).removesuffix(".0")), key
    for config in (kinds for field in known.values() for kinds in structs_in(field.type)):
        told = " ".join(" ".join(row) for row in rows.values())
        assert set(field_names(config)) <= set(CODE.findall(told))


@pytest.mark.parametrize("kind", KINDS)
def test_the_page_of_a_kind_of_device_tells_its_names_rhythm_and_roles(kind: str) -> None:
    known, text = KINDS[kind], page(f"docs/devices/{kind}.md")
    rhythm = "none" if known.rhythm_s == math.inf else f"{known.rhythm_s:g} s"
    roles = " ".join(f"`{role}`" for role in known.roles)
    word = "Role" if len(known.roles) == 1 else "Roles"
    assert text.startswith(f"# `{kind}`: {known.zh}\n\n{known.en}. Rhythm: {rhythm}. {word}: {roles}.")
    listed = {row[0]: row[-1] for row in cells(sections(page("docs/devices.md"), 2)["Health"])}
    assert listed[f"[`{kind}`](devices/{kind}.md)"] == rhythm


def test_no_page_tells_of_a_kind_of_device_that_is_not_there() -> None:
    assert {path.stem for path in (ROOT / "docs/devices").glob("*.md")} == set(KINDS)


def test_the_example_of_a_new_device_is_its_code() -> None:
    code = "".join(page(f"firmware_bridge/{name}.py") for name in ("devices/scale_sics", "catalog"))
    blocks = re.findall(r"^```python\n(.*?)^```", page("docs/adding-a-device.md"), re.DOTALL | re.MULTILINE)
    assert len(blocks) == 3
    assert [block for block in blocks if block not in code] == []


def test_sensors_and_outputs_of_stations_are_documented() -> None:
    rows = [row for row in cells(sections(page("docs/operations.md"), 3)["[[lanes]]"]) if len(row) == 3]
    told = {kind: (row[1], row[2]) for row in rows for kind in CODE.findall(row[0])}
    assert {kind: tuple(CODE.findall(sensors)) for kind, (sensors, _) in told.items()} == SENSORS
    assert {kind: tuple(CODE.findall(outputs)) for kind, (_, outputs) in told.items()} == OUTPUTS


def test_the_brokers_settings_are_those_of_the_demo() -> None:
    config = nats_config(Path("/folder"), 1, 2)
    note = page("docs/decisions/0007-nats-as-embedded-broker.md")
    for key in ("sync_interval", "ack_wait", "max_ack_pending"):
        said = re.findall(rf'{key}: "?\w+"?', config)
        assert len(said) == 1, key
        assert said[0] in page("docs/install.md"), key
        assert said[0] in note, key


# ---- models --------------------------------------------------------------------------------------

CARD = ["Data", "Licence", "Figures", "Limits", "Must not be used for"]
WHOLES = ("vin-reader", "rubbing", "reuse", "recapture")  # several weights together, or none


@pytest.mark.parametrize("name", catalog().weights)
def test_every_weight_has_a_card_with_its_sections(name: str) -> None:
    assert catalog().weights[name].card == f"docs/models/{name}.md"
    text = page(f"docs/models/{name}.md")
    assert text.startswith(f"# `{name}`")
    told = sections(text, 2)
    assert [title for title in told if title in CARD] == CARD
    assert all(len(told[title].split()) >= 3 for title in CARD)
    licence = catalog().weights[name].licence.split()[0]
    assert licence in told["Licence"], licence
    assert re.search(r"\d %? ?\[\d", told["Figures"]), "a share stands with its interval"
    assert f"(models/{name}.md)" in page("docs/models.md")


def test_no_card_is_of_a_weight_that_is_not_there() -> None:
    assert {path.stem for path in (ROOT / "docs/models").glob("*.md")} == {*catalog().weights, *WHOLES}
    for name in WHOLES:
        titles = sections(page(f"docs/models/{name}.md"), 2)
        assert [title for title in titles if title in CARD] == CARD
        assert f"(models/{name}.md)" in page("docs/models.md")


def test_options_of_the_benchmark_of_reading_are_its_own() -> None:
    known = set(re.findall(r'add_argument\(\s*"(--[\w-]+)"', page("benchmarks/ocr.py")))
    (said,) = re.findall(r'make bench ARGS="ocr ([^"]*)"', page("docs/models.md"))
    assert set(re.findall(r"--[\w-]+", said)) | {"--peers-python"} <= known


# ---- installation, links, words ------------------------------------------------------------------


def test_root_packages_belong_to_this_distribution_alone() -> None:
    project = tomllib.loads(page("pyproject.toml"))
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    assert set(packages) == {*ROOTS, "configs"}
    owners = importlib.metadata.packages_distributions()
    for package in packages:
        # an editable install names no files, so that nobody is listed; anybody else would be
        assert set(owners.get(package, [])) <= {project["project"]["name"]}, package
        spec = importlib.util.find_spec(package)
        assert spec is not None
        assert spec.origin is not None
        assert Path(spec.origin).parent == ROOT / package, package
        assert f"`{package}`" in page("docs/install.md")


@pytest.mark.parametrize("name", tracked("*.md"))
def test_relative_links_lead_somewhere(name: str) -> None:
    text = FENCE.sub("", page(name))
    targets = re.findall(r"\]\(([^)\s]+)\)", text)
    inside = [target.partition("#")[0] for target in targets if not re.match(r"[a-z]+:", target)]
    assert [
        target for target in inside if target and not (ROOT / name).parent.joinpath(target).exists()
    ] == []


def test_the_changelog_tells_this_version_and_its_config_changes() -> None:
    version = tomllib.loads(page("pyproject.toml"))["project"]["version"]
    assert f"## [{version}]" in page("CHANGELOG.md")
    assert "Config changes" in sections(page("CHANGELOG.md"), 3)


def test_no_file_names_a_build_machines_folder_or_a_package_registrys_host() -> None:
    hosts = ("pypi", "org"), ("pythonhosted", "org"), ("npmjs", "org"), ("npmjs", "com"), ("npmmirror", "com")
    words = ["/" + "work" + "/", *(".".join(host) for host in hosts)]
    forbidden = re.compile("|".join(map(re.escape, words)).encode())
    found = [
        f"{name}: {match[0].decode()}"
        for name in tracked()
        if b"\0" not in (data := (ROOT / name).read_bytes())[:8000]
        for match in forbidden.finditer(data)
    ]
    assert found == []


def test_every_route_of_a_node_is_on_its_page(tmp_path: Path) -> None:
    async def ask() -> dict[str, Any]:
        async with edge_at(tmp_path) as edge:
            answer = await edge.client.get("/api/v1/openapi.json")
            paths: dict[str, Any] = answer.json()["paths"]
            return paths

    routes = {
        f"{method.upper()} {path}"
        for path, operations in asyncio.run(ask()).items()
        for method in operations
        if path != "/"
    }
    described = set(re.findall(r"`((?:GET|POST|PUT) /[^`?]*)", page("docs/api.md")))

    def bare(route: str) -> str:
        return re.sub(r"\{[a-z0-9]+\}", "{}", route)

    assert {bare(route) for route in described} == {bare(route) for route in routes}
