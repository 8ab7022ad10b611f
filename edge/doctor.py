"""chayan doctor: who answers and who does not, what to check, in both languages, one line each."""

import asyncio
import json
import os
import shutil
import time
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Annotated, Any, Literal

import httpx
import typer

from central_sync.clock import HEADER, offset
from edge.checking import api_of
from edge.doctor_devices import ADVICE, broker_words, examine
from edge.failing import fail
from edge.health import MB
from edge.roads import client_of, ends_of
from edge.rulebook import RulesError, read_rulebook
from edge.rules import left_out_warnings, must_know_left_out
from edge.settings import DeviceEntry, Registry, SettingsError, SiteFile, load

AT_ONCE = 8  # devices that are looked at in parallel
API_S, REGISTRY_S, BROKER_S = 3.0, 10.0, 5.0
CLOCK_MS = 2000  # a registry's clock that differs more is told

Mark = Literal["ok", "note", "bad"]
WORDS: dict[Mark, str] = {"ok": "正常 ok  ", "note": "注意 note", "bad": "异常 BAD "}


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What was found of one subject."""

    subject: str
    mark: Mark
    zh: str
    en: str


# ---- the node itself -----------------------------------------------------------------------------


def look_at_folder(site: SiteFile) -> Line:
    """Whether the node's folder can be written by whoever asks."""
    folder = site.node.folder
    here = next(each for each in (folder, *folder.parents) if each.exists())
    if here.is_dir() and os.access(here, os.W_OK | os.X_OK):
        return Line(subject="folder", mark="ok", zh=f"{folder} 可写", en=f"{folder} can be written")
    return Line(
        subject="folder",
        mark="bad",
        zh=f"{here} 不可写：请检查属主和权限，用运行节点的用户执行本命令",
        en=f"{here} cannot be written: check owner and rights, and run this as the node's user",
    )


def look_at_disk(site: SiteFile) -> Line:
    """Free space against [disk]."""
    folder = site.node.folder
    free = shutil.disk_usage(next(each for each in (folder, *folder.parents) if each.exists())).free // MB
    limits = site.disk
    mark: Mark = "bad" if free < limits.refuse_mb else "note" if free < limits.warn_mb else "ok"
    return Line(
        subject="disk",
        mark=mark,
        zh=f"剩余 {free} MB（低于 {limits.warn_mb} MB 报警，低于 {limits.refuse_mb} MB 停止受理）",
        en=f"{free} MB free (warns below {limits.warn_mb}, takes no vehicle below {limits.refuse_mb})",
    )


def look_at_rules(path: Path, site: SiteFile) -> Line:
    """Whether the rules can be read and know what the site leaves out."""
    try:
        rules = read_rulebook()
        must_know_left_out(path, site, rules)
    except (RulesError, SettingsError) as error:
        return Line(subject="rules", mark="bad", zh=f"规则有误：{error}", en=f"the rules are wrong: {error}")
    left_out = len(left_out_warnings(site, rules))
    return Line(
        subject="rules",
        mark="ok",
        zh=f"{rules.name}，不检项目 {left_out} 项",
        en=f"{rules.name}, {left_out} items left out",
    )


async def look_at_registry(end: Registry) -> list[Line]:
    """Whether a registry answers, its clock beside ours, and its key against the pinned one."""
    subject = f"registry {end.name}"
    try:
        async with client_of(end) as client:
            asked = time.time()
            answer = (await client.get("/healthz", timeout=REGISTRY_S)).raise_for_status()
            answered = time.time()
            key = await client.get("/v1/key", timeout=REGISTRY_S)
            theirs = key.json().get("public_key") if key.is_success else None
    except (httpx.HTTPError, SettingsError, ValueError) as error:
        what = str(error) or type(error).__name__
        return [
            Line(
                subject=subject,
                mark="bad",
                zh=f"{end.url} 无法使用（{what}）：请检查网络、地址、防火墙和证书",
                en=f"{end.url} cannot be used ({what}): check network, address, firewall, certificate",
            )
        ]
    lines = [Line(subject=subject, mark="ok", zh=f"{end.url} 有应答", en=f"{end.url} answers")]
    return [*lines, *_clock(subject, asked, answered, answer), _pinned(subject, end, theirs)]


def _clock(subject: str, asked: float, answered: float, answer: httpx.Response) -> list[Line]:
    try:
        theirs = datetime.fromisoformat(answer.headers.get(HEADER, "")).timestamp()
    except ValueError:
        return []
    seen = offset(asked, answered, theirs)
    mark: Mark = "ok" if abs(seen.offset_ms) <= CLOCK_MS else "note"
    apart = f"{seen.offset_ms / 1000:+.1f} s"
    return [
        Line(
            subject=f"clock, {subject}",
            mark=mark,
            zh=f"中心时钟比本机 {apart}" + ("" if mark == "ok" else "：请检查本机对时 (chrony、NTP)"),
            en=f"its clock is {apart} from ours" + ("" if mark == "ok" else ": check the time source here"),
        )
    ]


def _pinned(subject: str, end: Registry, theirs: object) -> Line:
    named = f"key, {subject}"
    if theirs is None:
        mark: Mark = "bad" if end.key else "note"
        return Line(subject=named, mark=mark, zh="中心没有签名密钥", en="it has no key to sign with")
    if not end.key:
        return Line(
            subject=named,
            mark="note",
            zh=f"未固定中心公钥：请核对后写入 key = {theirs!r}",
            en=f"its key is not pinned: compare it, then write key = {theirs!r}",
        )
    if theirs == end.key:
        return Line(subject=named, mark="ok", zh="公钥与固定的一致", en="its key is the pinned one")
    return Line(
        subject=named,
        mark="bad",
        zh=f"中心公钥 {theirs!r} 与固定的不一致：请联系中心核实",
        en=f"its key {theirs!r} is not the pinned one: ask the centre before anything else",
    )


async def look_at_broker(site: SiteFile) -> list[Line]:
    """Whether the broker takes this node, if a device speaks through it."""
    if not any(hasattr(entry.config, "broker") for entry in site.devices):
        return []
    try:
        ok, zh, en = await broker_words(site, BROKER_S)
    except SettingsError as error:
        ok, zh, en = False, str(error), str(error)
    return [Line(subject="broker main", mark="ok" if ok else "bad", zh=zh, en=en)]


# ---- devices -------------------------------------------------------------------------------------


async def node_view(site: SiteFile) -> list[dict[str, Any]] | None:
    """The running node's own view of its devices; None: nobody answers there as this node."""
    try:
        async with httpx.AsyncClient(base_url=api_of(site), timeout=API_S, trust_env=False) as client:
            if (await client.get("/healthz")).json().get("node") != site.node.name:
                return None
            devices: list[dict[str, Any]] = (await client.get("/api/v1/devices")).json()["devices"]
            return devices
    except (httpx.HTTPError, ValueError, KeyError, AttributeError):
        return None


def as_the_node_sees(device: dict[str, Any]) -> Line:
    """A device that the running node holds, in its words."""
    state, why = device["state"], device["why"]
    heard = device["rhythm"]["heard_at"] or "-"
    marks = " ".join(device["marks"])
    zh, en = ADVICE.get(state, ("", ""))
    if state == "ok":
        return Line(
            subject=f"device {device['device']}",
            mark="ok",
            zh=f"节点正在使用，状态正常，最近收到 {heard} {marks}".strip(),
            en=f"held by the running node, ok, last heard {heard} {marks}".strip(),
        )
    return Line(
        subject=f"device {device['device']}",
        mark="bad",
        zh=f"节点正在使用，状态 {state}：{why}；{zh}",
        en=f"held by the running node, {state}: {why}; {en}",
    )


async def look_at_devices(site: SiteFile, seconds: float | None) -> list[Line]:
    """Every device: by the running node's view, which holds their ports, else by talking to each."""
    held = await node_view(site)
    if held is not None:
        words = Line(
            subject="node",
            mark="ok",
            zh="节点正在运行并占用设备端口：不打开端口，改用节点自己的状态",
            en="the node runs and holds the ports of its devices: none is opened, its own view is read",
        )
        return [words, *(as_the_node_sees(each) for each in held)]
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(entry: DeviceEntry) -> Line:
        async with turns:
            ok, zh, en = await examine(site, entry, seconds)
        return Line(subject=f"device {entry.name}", mark="ok" if ok else "bad", zh=zh, en=en)

    return list(await asyncio.gather(*(one(entry) for entry in site.devices)))


async def examine_site(path: Path, site: SiteFile, seconds: float | None) -> list[Line]:
    """Everything, the node's own first."""
    own = [look_at_folder(site), look_at_disk(site), look_at_rules(path, site)]
    roads = [look_at_registry(end) for end in ends_of(site)]
    found = await asyncio.gather(*roads, look_at_broker(site), look_at_devices(site, seconds))
    return [*own, *(line for lines in found for line in lines)]


def told(lines: Iterable[Line], as_json: bool) -> str:
    """The lines as they are printed."""
    if as_json:
        bad = [line for line in lines if line.mark == "bad"]
        shown = [{"subject": e.subject, "mark": e.mark, "zh": e.zh, "en": e.en} for e in lines]
        return json.dumps({"ok": not bad, "lines": shown}, ensure_ascii=False)
    return "\n".join(f"{WORDS[line.mark]} {line.subject}: {line.zh} / {line.en}" for line in lines)


def doctor_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A site file")],
    seconds: Annotated[
        float | None, typer.Option(min=1, max=600, help="Listen so long to a device; default: its rhythm")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
) -> None:
    """Talk to every device, broker and registry of a site; status 1 when one does not answer."""
    try:
        site = load(file)
    except SettingsError as error:
        fail(str(error))
    lines = asyncio.run(examine_site(file, site, seconds))
    typer.echo(told(lines, as_json))
    if any(line.mark == "bad" for line in lines):
        raise typer.Exit(1)
