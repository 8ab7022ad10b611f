"""The doctor at one device: reaches its address, runs it until it lives, and guesses what is set wrongly."""

import asyncio
import grp
import math
import os
import secrets
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
from msgspec.structs import replace

from edge.settings import DeviceEntry, SettingsError, SiteFile
from firmware_bridge.catalog import KINDS
from firmware_bridge.device import Health, Said
from firmware_bridge.link import AddressError, Link, LinkError, SerialPort, parse_address
from firmware_bridge.mqtt import Broker
from firmware_bridge.tap import TAP, Tap

LONGEST_S, AFTER_RHYTHM_S = 40.0, 6.0
TRY_S = 3.0  # for one guess: an instrument is asked at once and answers within 1.5 s
REST_S = 0.2  # between two connections to one device server
#: line settings that instruments come with (M), the most usual first
LIKELY = (
    *((baud, "N") for baud in (9600, 38400, 19200, 115200, 4800, 2400)),
    *((baud, "E") for baud in (9600, 19200, 38400)),
    *((baud, "O") for baud in (9600, 19200)),
)
REFUSALS = ("not authori", "bad user", "identifier rejected", "password")
UNITS = (1, 2, 3, 4, 5)

#: by the state a device told: what to check
ADVICE = {
    "silent": ("请检查电源、接线、站号和串口参数", "check power, wiring, unit and line settings"),
    "faulty": ("请检查串口参数、接线和设备设置", "check line settings, wiring and the device's own settings"),
    "lost": ("请检查电源、网线和地址", "check power, cable and address"),
    "unknown": ("请检查电源、接线和地址", "check power, wiring and address"),
}


@dataclass(frozen=True, slots=True)
class Heard:
    """What a device told while it was listened to, and what its tap counted."""

    health: Health
    frames: int
    bytes_heard: bool

    @property
    def ok(self) -> bool:
        """Whether it lives."""
        return self.health.state == "ok"


def addresses(value: Any) -> Iterator[str]:
    """The addresses of bytes in a configuration."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        for each in value:
            yield from addresses(each)
    elif isinstance(value, str) and value.startswith(("serial://", "tcp://", "rtu+tcp://")):
        yield value


async def examine(site: SiteFile, entry: DeviceEntry, seconds: float | None) -> tuple[bool, str, str]:
    """(whether it answers, what was found in Chinese, in English)."""
    config = msgspec.to_builtins(entry.config)
    for address in addresses(config):
        trouble = await unreachable(address)
        if trouble is not None:
            return False, *trouble
    rhythm = KINDS[entry.kind].rhythm_s
    listen_s = seconds or min(LONGEST_S, (0 if math.isinf(rhythm) else rhythm) + AFTER_RHYTHM_S)
    heard = await listen(site, entry, listen_s)
    if heard.ok:
        return True, f"有应答，{heard.frames} 帧", f"answers, {heard.frames} frames"
    guess = await guessed(site, entry, config)
    if guess is not None:
        found = _bytes(heard)
        return False, f"{found[0]}{guess[0]}", f"{found[1]}{guess[1]}"
    return False, *_words(entry, heard, listen_s)


def _bytes(heard: Heard) -> tuple[str, str]:
    if heard.bytes_heard and not heard.frames:
        return "收到字节但没有完整帧；", "bytes arrive but no whole frame; "
    return f"状态 {heard.health.state}；", f"{heard.health.state}; "


def _words(entry: DeviceEntry, heard: Heard, listen_s: float) -> tuple[str, str]:
    state, why = heard.health.state, heard.health.why
    if hasattr(entry.config, "broker") and state in ("silent", "unknown"):
        return (
            f"{listen_s:g} 秒内没有消息：请检查它是否向本 broker 发布、序列号是否正确",
            f"not heard within {listen_s:g} s: check that it publishes to this broker, and its serial number",
        )
    if "exception code" in why:
        return (
            f"设备以异常码应答（{why}）：请检查寄存器表、站号和设备状态",
            f"it answers with an exception ({why}): check the register map, the unit and the device",
        )
    zh, en = ADVICE.get(state, ADVICE["unknown"])
    return f"{state}：{why or '没有应答'}；{zh}", f"{state}: {why or 'no answer'}; {en}"


# ---- the way to it -------------------------------------------------------------------------------


async def unreachable(address: str) -> tuple[str, str] | None:
    """Why no bytes could flow, in both languages; None: they could."""
    plain = address.removeprefix("rtu+")
    try:
        link = Link(plain)
        await link.connect()
    except AddressError as error:
        return f"地址有误：{error}", f"wrong address: {error}"
    except LinkError as error:
        port = parse_address(plain)
        return _serial_words(Path(port.path), error) if isinstance(port, SerialPort) else _tcp_words(error)
    await link.close()
    await asyncio.sleep(REST_S)
    return None


def _serial_words(path: Path, error: LinkError) -> tuple[str, str]:
    if not path.exists():
        there = ", ".join(sorted(str(each) for each in Path("/dev").glob("tty[UA][SC][BM]*"))) or "-"
        return (
            f"没有此端口 {path}：请检查 USB 转接器和名称（现有 {there}）",
            f"no such port {path}: check the adapter and its name (there are {there})",
        )
    if not os.access(path, os.R_OK | os.W_OK, effective_ids=True):
        group = _group(path)
        return (
            f"没有权限打开 {path}：请把用户加入 {group} 组 (usermod -aG {group}) 后重新登录",
            f"no permission for {path}: add the user to group {group} (usermod -aG {group}), log in again",
        )
    holder = holder_of(path)
    if holder is not None:
        return (
            f"{path} 已被进程 {holder} 占用：一条串口线只能有一个程序，未打开",
            f"{path} is held by process {holder}: one program a line; it was not opened",
        )
    return f"{path} 打不开：{error}", f"{path} cannot be opened: {error}"


def _group(path: Path) -> str:
    """The group that may open a port; dialout where it is nobody's but root's."""
    try:
        group = grp.getgrgid(path.stat().st_gid).gr_name
    except (OSError, KeyError):
        return "dialout"
    return "dialout" if group == "root" else group


def holder_of(path: Path) -> str | None:
    """Number and name of another process that has a file open, as far as this user may see."""
    real, mine = path.resolve(), str(os.getpid())
    for process in Path("/proc").glob("[0-9]*"):
        if process.name == mine:
            continue
        with suppress(OSError):
            if any(each.resolve() == real for each in (process / "fd").iterdir()):
                return f"{process.name} ({(process / 'comm').read_text('utf-8').strip()})"
    return None


def _tcp_words(error: LinkError) -> tuple[str, str]:
    text = str(error)
    if "Errno 111" in text:
        return (
            f"该地址没有程序监听（{text}）：请检查端口号，设备服务器是否开启",
            f"nothing listens there ({text}): check the port, and whether the device server is on",
        )
    return (
        f"连不上（{text}）：请检查电源、网线、地址",
        f"not reached ({text}): check power, cable, address",
    )


# ---- listening -----------------------------------------------------------------------------------


async def listen(site: SiteFile, entry: DeviceEntry, limit_s: float) -> Heard:
    """Runs a device until it says that it is well, for ``limit_s`` at most."""
    tap, last = Tap(entry.name), Health(state="unknown")
    well = asyncio.Event()

    async def tell(said: Said) -> None:
        nonlocal last
        if isinstance(said, Health):
            last = said
            if said.state == "ok":
                well.set()

    with suppress(TimeoutError):
        async with _running(site, entry, tap, tell) as running, asyncio.timeout(limit_s):
            waiting = asyncio.ensure_future(well.wait())
            try:
                await asyncio.wait({running, waiting}, return_when=asyncio.FIRST_COMPLETED)
            finally:
                waiting.cancel()
            if running.done() and (fell := running.exception()) is not None:
                last = Health(state="faulty", why=f"{type(fell).__name__}: {fell}")
    return Heard(last, tap.counts.frames, tap.counts.heard_at_ns > 0)


@asynccontextmanager
async def _running(
    site: SiteFile, entry: DeviceEntry, tap: Tap, tell: Any
) -> AsyncIterator["asyncio.Task[None]"]:
    """A device at work, with brokers of its own name: the node's sessions stay untouched."""
    from edge.compose import make_brokers

    mine = TAP.set(tap)
    try:
        brokers = {name: _strangers(broker) for name, broker in make_brokers(site).items()}
        device = KINDS[entry.kind].build(entry.name, entry.config, brokers)
        running = asyncio.create_task(device.run(tell))
        used = {getattr(entry.config, "broker", None)}
        others = [asyncio.create_task(each.run()) for name, each in brokers.items() if name in used]
    finally:
        TAP.reset(mine)
    try:
        yield running
    finally:
        for task in (running, *others):
            task.cancel()
        await asyncio.gather(running, *others, return_exceptions=True)


async def broker_words(site: SiteFile, limit_s: float) -> tuple[bool, str, str]:
    """(whether it takes us, in Chinese, in English) of the site's broker. Raises SettingsError."""
    from edge.compose import make_brokers  # brings the whole node: only when it is needed

    broker = _strangers(make_brokers(site)["main"])
    running = asyncio.create_task(broker.run())
    try:
        with suppress(TimeoutError):
            await asyncio.wait_for(broker.up.wait(), limit_s)
        up, why = broker.up.is_set(), broker.why
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    if up:
        return True, f"{broker.address} 有应答", f"{broker.address} answers"
    if any(word in why.lower() for word in REFUSALS):
        return (
            False,
            f"拒绝登录（{why}）：请检查 [broker] username 和 password_file",
            f"it refuses the login ({why}): check [broker] username and password_file",
        )
    return (
        False,
        f"无法使用（{why}）：请检查 broker 是否运行、地址和防火墙",
        f"it cannot be used ({why}): check that it runs, its address, the firewall",
    )


def _strangers(broker: Broker) -> Broker:
    broker.identifier = f"chayan-doctor-{secrets.token_hex(4)}"
    broker.persistent = False
    return broker


# ---- guessing ------------------------------------------------------------------------------------


async def guessed(site: SiteFile, entry: DeviceEntry, config: Any) -> tuple[str, str] | None:
    """Line settings, else a unit, under which the device lives; None: it lives under none."""
    for words, changed in (*_settings(config), *_units(config)):
        with suppress(SettingsError, ValueError):  # a device refuses what its kind does not know
            other = replace(entry, config=msgspec.convert(changed, KINDS[entry.kind].config))
            if (await listen(site, other, TRY_S)).ok:
                return (
                    f"用 {words} 有完整应答：请改站点文件",
                    f"with {words} it answers: write that down",
                )
    return None


def _settings(config: Any) -> Iterator[tuple[str, Any]]:
    """The configuration with other likely settings of its serial lines."""
    lines = {each: parse_address(each) for each in addresses(config) if each.startswith("serial://")}
    for baud, parity in LIKELY if lines else ():
        changes = {
            text: f"serial://{port.path}?baud={baud}&parity={parity}&data={port.data_bits}&stop={port.stop_bits}"
            for text, port in lines.items()
            if isinstance(port, SerialPort) and (port.baud, port.parity) != (baud, parity)
        }
        if changes:
            yield f"baud={baud}&parity={parity}", _changed(config, changes)


def _units(config: Any) -> Iterator[tuple[str, Any]]:
    for unit in UNITS if isinstance(config, dict) and "unit" in config else ():
        if unit != config["unit"]:
            yield f"unit = {unit}", {**config, "unit": unit}


def _changed(value: Any, changes: dict[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _changed(each, changes) for key, each in value.items()}
    if isinstance(value, list):
        return [_changed(each, changes) for each in value]
    return changes.get(value, value) if isinstance(value, str) else value
