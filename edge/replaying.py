"""chayan replay: today's code on a recording: what it says now, and whether that is what was said then."""

import asyncio
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import zip_longest
from pathlib import Path
from typing import Annotated, Any

import msgspec
import typer

from edge.capturing import RecordedDevice, Recording, RecordingError, read_recording
from edge.failing import fail
from edge.settings import decode_path
from edge.watching import Asked, Failed
from firmware_bridge.catalog import KINDS
from firmware_bridge.device import Device, Health, MeasureError, Said, push_of
from firmware_bridge.mqtt import Broker
from firmware_bridge.played import PlayedLoop, PlayedWeb, Side
from firmware_bridge.tap import Entry, plain_json

TAIL_S = 5.0  # after the last entry, for what was just under way
LIMIT_S = 600.0  # for what was asked and does not end

Line = dict[str, Any]


@dataclass
class Replayed:
    """One device: what it said and answered then and now, and what kept it from being the same."""

    name: str
    then: list[Line] = field(default_factory=list)
    now: list[Line] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def difference(self) -> str | None:
        """The first difference in words; None: the same."""
        for number, (before, after) in enumerate(zip_longest(self.then, self.now), 1):
            if before != after:
                return f"{number}: then {_shown(before)}, now {_shown(after)}"
        return None


def _shown(line: Line | None) -> str:
    return "nothing" if line is None else json.dumps(line, ensure_ascii=False, sort_keys=True)


class PlayedBroker(Broker):
    """A broker that is not there: messages come from the recording, what is published goes nowhere."""

    async def publish(self, topic: str, payload: bytes, *, wait_s: float = 0.0) -> None:
        """Taken at once."""


def runs(entries: list[Entry]) -> Iterator[list[Entry]]:
    """The stretches between two starts of the agent: each is played by itself."""
    run: list[Entry] = []
    for entry in entries:
        if entry.way == "begun" and run:
            yield run
            run = []
        run.append(entry)
    if run:
        yield run


def replay(recorded_device: RecordedDevice, entries: list[Entry]) -> Replayed:
    """Plays one device's recording. Raises RecordingError when its configuration is none of today's."""
    result = Replayed(recorded_device.name)
    for run in runs(entries):
        _replay(recorded_device, run, result)
    return result


def _replay(device: RecordedDevice, entries: list[Entry], result: Replayed) -> None:
    answers = {each.channel: json.loads(each.data) for each in entries if each.way == "answered"}
    result.then += [_line(each.data) for each in entries if each.way == "said" and each.channel != "Health"]
    asked = [each for each in entries if each.way == "asked" and each.channel in answers]
    result.then += [answers[each.channel] for each in asked]
    kept = [each for each in entries if each.way != "asked" or each in asked]
    cut = sum(each.way == "in" and each.size_bytes > 0 for each in entries)
    if cut:
        result.notes.append(f"{cut} messages were too long to be kept whole and are not replayed")
    lost = sum(int(each.data) for each in entries if each.way == "dropped")
    if lost:
        result.notes.append(f"{lost} entries found no room when it was recorded")
    sides = _sides(entries)
    known = json.dumps(device.config)
    for side in sides:
        if side.channel.removeprefix("modbus:") not in known and not _is_web(side):
            result.notes.append(f"what came over {side.channel} cannot be replayed")
    loop = PlayedLoop(dict(enumerate(sides, 1)))
    try:
        result.now += loop.run_until_complete(_play(device, kept, sides))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.run_until_complete(loop.shutdown_default_executor())
        loop.close()
    result.notes += [words for side in sides for words in side.strange]


def _line(words: bytes) -> Line:
    """What was said; without the key where it is one of this run."""
    line: Line = json.loads(words)
    if line["is"] in ("Scan", "Tag"):
        del line["key"]
    return line


def _sides(entries: list[Entry]) -> list[Side]:
    """The addresses of a device, each with what was recorded of it; topics are no addresses."""
    channels: dict[str, list[Entry]] = {}
    for entry in entries:
        if entry.way in ("up", "lost", "in", "out") and not entry.channel.startswith(("mqtt", "push:")):
            channels.setdefault(entry.channel, []).append(entry)
    return [Side(channel, each, entries[0].tick_ns) for channel, each in channels.items()]


def _is_web(side: Side) -> bool:
    return side.channel.startswith("http://")


async def _play(recorded: RecordedDevice, entries: list[Entry], sides: list[Side]) -> list[Line]:
    broker = PlayedBroker("mqtt://played:1883", identifier="replay")
    device: Any = _built(recorded, sides, broker)
    web = next((side for side in sides if _is_web(side)), None)
    if web is not None and hasattr(device, "web"):
        device.web = PlayedWeb(web)
    said: list[Line] = []
    questions: list[asyncio.Task[Line]] = []

    async def tell(told: Said) -> None:
        if not isinstance(told, Health):
            said.append(_line(plain_json(told)))

    running = asyncio.ensure_future(device.run(tell))
    try:
        await _follow(entries, broker, device, questions)
        await asyncio.sleep(TAIL_S)
        if questions:
            await asyncio.wait(questions, timeout=LIMIT_S)
        if running.done():
            running.result()
    finally:
        for task in (running, *questions):
            task.cancel()
        answered = await asyncio.gather(*questions, return_exceptions=True)
        await asyncio.gather(running, return_exceptions=True)
    return said + [_answer(each) for each in answered]


def _answer(outcome: "Line | BaseException") -> Line:
    if isinstance(outcome, asyncio.CancelledError):
        return json.loads(plain_json(Failed(why=f"no answer within {LIMIT_S:g} s")))  # type: ignore[no-any-return]
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


async def _follow(
    entries: list[Entry], broker: Broker, device: Any, questions: "list[asyncio.Task[Line]]"
) -> None:
    """Hands messages on and asks what was asked, each at its moment of the recording."""
    loop = asyncio.get_running_loop()
    began, first = loop.time(), entries[0].tick_ns
    async with asyncio.TaskGroup() as posts:  # an answer to a post may wait, the next post does not
        for entry in entries:
            await asyncio.sleep(began + (entry.tick_ns - first) / 1e9 - loop.time())
            if entry.way == "asked":
                questions.append(asyncio.ensure_future(_ask(device, entry.data)))
            elif entry.way != "in" or entry.size_bytes:
                continue
            elif entry.channel.startswith("mqtt:"):
                await broker.hand_on(entry.channel.removeprefix("mqtt:"), entry.data)
            elif entry.channel.startswith("push:"):
                posts.create_task(device.pushed(push_of(entry.channel, entry.data)))


async def _ask(device: Any, words: bytes) -> Line:
    fields = json.loads(words)
    fields.pop("is")
    asked = msgspec.convert(fields, Asked)
    try:
        if asked.do == "switch":
            await device.switch(asked.station, asked.actuator, asked.on)
            return {"is": "Done"}
        if asked.do == "show":
            await device.show(asked.rows)
            return {"is": "Done"}
        if asked.do == "read":
            return json.loads(plain_json(await device.read_vehicle(asked.lane, asked.station)))  # type: ignore[no-any-return]
        body = await device.measure(asked.lane, asked.station, asked.item, asked.axle)
    except MeasureError as error:
        return json.loads(plain_json(Failed(why=str(error))))  # type: ignore[no-any-return]
    return json.loads(plain_json(body))  # type: ignore[no-any-return]


def _built(recorded: RecordedDevice, sides: list[Side], broker: Broker) -> Device:
    """The device of today, its addresses leading into the recording."""
    kind = KINDS.get(recorded.kind)
    if kind is None:
        raise RecordingError(f"{recorded.name}: kind {recorded.kind!r} is not known to this version")
    places = {side.channel: number for number, side in enumerate(sides, 1) if not _is_web(side)}
    with tempfile.NamedTemporaryFile("w") as secret:  # a recording holds no password, and needs none
        secret.write("played")
        secret.flush()
        table = _let_in(_led(recorded.config, places), secret.name)
        try:
            config = msgspec.convert(table, kind.config, dec_hook=decode_path)
        except msgspec.ValidationError as error:
            raise RecordingError(f"{recorded.name}: its configuration is none of today's: {error}") from error
        return kind.build(recorded.name, config, {getattr(config, "broker", "main"): broker})


def _let_in(table: Any, secret: str) -> Any:
    """A table with a password file wherever a login lacks it."""
    login = table.get("login")
    return table if login is None else table | {"login": {"password_file": secret} | login}


def _led(value: Any, places: Mapping[str, int]) -> Any:
    """A configuration whose recorded addresses lead to the ports of the played loop."""
    if isinstance(value, dict):
        return {key: _led(each, places) for key, each in value.items()}
    if isinstance(value, list):
        return [_led(each, places) for each in value]
    if isinstance(value, str) and value in places:
        return f"tcp://played:{places[value]}"
    if isinstance(value, str) and (port := places.get(f"modbus:{value}")) is not None:
        return f"tcp://played:{port}" if value.startswith("tcp://") else f"rtu+tcp://played:{port}"
    return value


def replay_file(path: Path) -> tuple[Recording, list[Replayed]]:
    """Every device of a recording that has entries, played. Raises RecordingError."""
    recorded = read_recording(path)
    by_name = {device.name: device for device in recorded.header.devices}
    return recorded.header, [
        replay(by_name[name], entries) for name, entries in recorded.entries.items() if entries
    ]


def expected_of(path: Path) -> dict[str, list[Line]]:
    """What each device should say: a file as ``chayan replay --json`` prints it. Raises RecordingError."""
    try:
        lines = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line]
        return {line["device"]: line["now"] for line in lines}
    except (OSError, UnicodeDecodeError, ValueError, KeyError, TypeError) as error:
        raise RecordingError(f"{path}: is no output of chayan replay --json: {error}") from error


def replay_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A file of chayan capture")],
    expect: Annotated[
        Path | None, typer.Option(help="Compare with this output of --json, not with what was said then")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object a device")] = False,
) -> None:
    """Run today's code on a recording; status 1 when it does not say what was said then."""
    try:
        header, devices = replay_file(file)
        wanted = {} if expect is None else expected_of(expect)
    except RecordingError as error:
        fail(str(error))
    for each in devices:
        each.then = wanted.get(each.name, []) if expect is not None else each.then
    if not as_json:
        mark = "，模拟 simulated" if header.simulated else ""
        typer.echo(f"{header.site}/{header.node}, chayan {header.version}{mark}")
    for each in devices:
        _print(each, as_json)
    if any(each.difference() for each in devices):
        raise typer.Exit(1)


def _print(each: Replayed, as_json: bool) -> None:
    difference = each.difference()
    if as_json:
        line = {"device": each.name, "same": difference is None, "now": each.now, "notes": each.notes}
        typer.echo(json.dumps(line | {"difference": difference}, ensure_ascii=False, sort_keys=True))
        return
    for said in each.now:
        typer.echo(f"{each.name}: {_shown(said)}")
    for note in each.notes:
        typer.echo(f"{each.name}: note: {note}")
    outcome = "same" if difference is None else f"differs at {difference}"
    typer.echo(f"{each.name}: {len(each.now)} facts, {outcome}")
