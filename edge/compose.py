"""Names every concrete class: a site file becomes a running node, settings become a registry."""

import asyncio
import contextlib
import hashlib
import os
import secrets
from collections.abc import Mapping
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from urllib.parse import quote

from central_sync.directives import Pull
from central_sync.journal import Journal, Roll
from central_sync.photos import Photos
from central_sync.seal import NodeKey
from edge.acts import Acts
from edge.agent import Loop, boot_id, run_agent
from edge.api import build_api
from edge.bundles import Ferrying
from edge.carrying import Place
from edge.desk import Desk
from edge.directives import Directing, tell_configuration
from edge.filming import CLIPS, Filming
from edge.health import Health
from edge.intake import Intake
from edge.keeping import Keeping, note_replay, replay_from
from edge.marshal import LaneDevices, Marshal
from edge.push import PushDoor
from edge.roads import Links, client_of, courier_to, ends_of, names_of, witness_at
from edge.rulebook import read_rulebook
from edge.rules import must_know_left_out
from edge.settings import DeviceEntry, SettingsError, SiteFile, load
from edge.signs import Announcer
from edge.watching import Watch, Watched
from firmware_bridge import secret
from firmware_bridge.catalog import KINDS, UnknownBroker
from firmware_bridge.device import Device, Filmer, ObdReader, Pushed
from firmware_bridge.link import AddressError
from firmware_bridge.mqtt import Broker
from firmware_bridge.tap import NOBODY, TAP, Tap
from lanes.calibration import Standing
from lanes.layout import CARRIED, WORK
from lanes.record import NodeStarted

JOURNAL_FILE = "journal.sqlite"
KEY_FILE = "node.key"
MB = 1 << 20
TOKEN_FILE = "worker.token"  # noqa: S105 - a file's name


def pages_folder() -> Path | None:
    """Where the built pages lie: inside the installed package, or in a checkout's web/dist."""
    here = Path(str(files("edge")))
    for folder in (here / "pages", here.parent / "web" / "dist"):
        if (folder / "board" / "index.html").is_file():
            return folder
    return None


def worker_token(folder: Path) -> str:
    """The token by which this node knows its review process; made at first use, its user's alone."""
    path = folder / TOKEN_FILE
    if path.exists() and not path.stat().st_size:
        path.unlink(missing_ok=True)  # left by a power cut; an empty token would let everybody in
    if not path.exists():
        folder.mkdir(parents=True, exist_ok=True)
        mine = path.with_suffix(f".{secrets.token_hex(4)}")
        mine.touch(mode=0o600)
        with mine.open("w", encoding="ascii") as file:
            file.write(secrets.token_urlsafe(32))
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):  # agent and reviewer start together: the first one's holds
            os.link(mine, path)
        mine.unlink()
    return path.read_text(encoding="ascii")


def make_brokers(site: SiteFile) -> dict[str, Broker]:
    """The site's MQTT connections by name. Raises SettingsError."""
    broker = site.broker
    user = ""
    if broker.username:
        password = _password(broker.password_file) if broker.password_file else ""
        user = f"{quote(broker.username, safe='')}:{quote(password, safe='')}@"
    return {
        "main": Broker(
            f"mqtt://{user}{broker.host}:{broker.port}",
            identifier=f"chayan-{site.node.name}",
            payload_limit_bytes=broker.payload_limit_mb * 1024 * 1024,
        )
    }


def _password(path: Path) -> str:
    try:
        return secret.password(path)
    except secret.SecretError as error:
        raise SettingsError(f"broker.{error}") from error


def make_devices(
    site: SiteFile, brokers: Mapping[str, Broker], taps: Mapping[str, Tap] | None = None
) -> dict[str, Device]:
    """Every device of a site by name. Raises SettingsError for a wrong address or an unknown broker."""
    devices = {}
    for entry in site.devices:
        try:
            devices[entry.name] = _made(entry, brokers, (taps or {}).get(entry.name, NOBODY))
        except (AddressError, UnknownBroker, secret.SecretError) as error:
            raise SettingsError(f"[[devices]] {entry.name}: {error}") from error
    return devices


def _made(entry: DeviceEntry, brokers: Mapping[str, Broker], tap: Tap) -> Device:
    mine = TAP.set(tap)  # the routes of a broker are made with the device
    try:
        return KINDS[entry.kind].build(entry.name, entry.config, brokers)
    finally:
        TAP.reset(mine)


def equipment(
    path: Path, site: SiteFile, taps: Mapping[str, Tap] | None = None
) -> tuple[dict[str, Broker], dict[str, Device]]:
    """Brokers and devices of the site of a file, not yet running. Raises SettingsError."""
    try:
        brokers = make_brokers(site)
        return brokers, make_devices(site, brokers, taps)
    except SettingsError as error:
        raise SettingsError(f"{path}: {error}") from error


def lane_devices(desk: Desk, watch: Watch, devices: Mapping[str, Device], lane: str) -> LaneDevices:
    """The instruments and switchboards of one lane, each watched."""
    mine = [entry for entry in desk.site.devices if entry.lane == lane]
    watched = partial(_watched, desk, watch, devices)
    return LaneDevices(
        instruments={entry.role: watched(entry) for entry in mine if entry.role in WORK},
        switchboards=tuple(
            watched(entry) for entry in mine if entry.role == "io" and getattr(entry.config, "outputs", None)
        ),
    )


def carried(desk: Desk, watch: Watch, devices: Mapping[str, Device]) -> dict[str, Place]:
    """The instruments of a site that are carried to a vehicle, by name, each watched."""
    return {
        entry.name: Place(
            instrument=_watched(desk, watch, devices, entry),
            lane=entry.lane,
            station=entry.station,
            item=CARRIED[entry.role],
        )
        for entry in desk.site.devices
        if entry.role in CARRIED
    }


def _watched(desk: Desk, watch: Watch, devices: Mapping[str, Device], entry: DeviceEntry) -> Watched:
    def stands() -> Standing:
        return desk.calibrations.of(entry.name, datetime.now(UTC))

    return Watched(devices[entry.name], watch.of(entry.name), stands)


def obd_readers(site: SiteFile, watch: Watch, devices: Mapping[str, Device]) -> dict[str, ObdReader]:
    """The OBD adapters of a site by name, each watched."""
    return {
        entry.name: Watched(devices[entry.name], watch.of(entry.name))
        for entry in site.devices
        if entry.role == "obd"
    }


def filmers(site: SiteFile, devices: Mapping[str, Device]) -> dict[tuple[str, str], list[Filmer]]:
    """The video cameras of a site by lane and station."""
    found: dict[tuple[str, str], list[Filmer]] = {}
    for entry in site.devices:
        if entry.role == "video":
            found.setdefault((entry.lane, entry.station), []).append(devices[entry.name])  # type: ignore[arg-type]
    return found


def open_journal(site: SiteFile, key: NodeKey) -> Journal:
    """The node's journal. Raises SettingsError, JournalError."""
    try:
        return Journal(
            site.node.folder / JOURNAL_FILE,
            site.node.name,
            signer=key,
            roll=Roll(records=site.journal.roll_records, size_bytes=site.journal.roll_mb * MB),
            ballast_bytes=site.disk.ballast_mb * MB,
            copied_by_other=site.journal.copied_by != "",
            source="virtual+agent" if site.site.simulated else "agent",
        )
    except OSError as error:
        raise SettingsError(_no_folder(site, error)) from error


def _no_folder(site: SiteFile, error: OSError) -> str:
    return f"node.folder: {site.node.folder} cannot hold a journal: {error.strerror or error}"


async def run_node(path: Path) -> None:
    """Runs the node of a site file until SIGINT or SIGTERM."""
    site = load(path)
    rulebook = read_rulebook()
    must_know_left_out(path, site, rulebook)
    folder = site.node.folder
    key = node_key(site)
    journal = open_journal(site, key)
    try:
        quota = site.photos.quota_gb
        photos = Photos(folder / "photos", quota * 1024 * MB if quota else None)
        desk = Desk(site, journal, photos, rulebook, replay_from(folder, journal))
        tell_configuration(desk, path)
        acts = Acts(desk)
        watch = Watch(site)
        brokers, devices = equipment(path, site, watch.taps)
        await desk.calibrations.certify()
        loops = _loops(desk, acts, watch, devices, brokers)
        if site.push is not None:
            pushed = {name: device for name, device in devices.items() if isinstance(device, Pushed)}
            loops["push"] = PushDoor(site.push, pushed, watch.taps).run
        loops["health"] = Health(desk, site.disk).run
        clips = Photos(folder / CLIPS, site.video.quota_gb and site.video.quota_gb * 1024 * MB)
        loops["keeping"] = Keeping(desk, names_of(site), clips).run
        async with contextlib.AsyncExitStack() as open_clients:
            couriers = {}
            for end in ends_of(site):
                client = await open_clients.enter_async_context(client_of(end))
                couriers[end.name] = courier_to(end, desk, key, client)
                loops[f"courier {end.name}"] = couriers[end.name].run
                if end is site.registry:
                    loops["witness"] = witness_at(end, desk, key, client).run
                    pull = Pull(client, site.site.id, site.node.name, key, end.key)
                    loops["directives"] = Directing(desk, pull, end.name, path).run
            loops["filming"] = Filming(desk, clips, filmers(site, devices)).run
            link = Links(couriers)
            if site.bundles is not None:
                loops["bundles"] = Ferrying(desk, key, site.bundles).run
            readers = obd_readers(site, watch, devices)
            gauges = carried(desk, watch, devices)
            token, pages = worker_token(folder), pages_folder()
            app = build_api(desk, acts, link, token, pages, watch, readers, clips, gauges)
            started = NodeStarted(
                version=version("chayan"),
                boot=f"{boot_id()}-{secrets.token_hex(4)}",
                site=site.site.id,
                config_sha256=hashlib.sha256(path.read_bytes()).hexdigest(),
            )
            await run_agent(desk, loops, app, started, asyncio.Event())
            note_replay(desk)
    finally:
        journal.close()


def node_key(site: SiteFile) -> NodeKey:
    """The node's signing key; made at first use. Raises SettingsError, KeyTrouble."""
    try:
        return NodeKey.load_or_create(site.node.folder / KEY_FILE, site.node.signature)
    except OSError as error:
        raise SettingsError(_no_folder(site, error)) from error


def _loops(
    desk: Desk, acts: Acts, watch: Watch, devices: Mapping[str, Device], brokers: Mapping[str, Broker]
) -> dict[str, Loop]:
    """Every loop of a node: its brokers, its devices and boards, one marshal a lane."""
    intake = Intake(desk, acts)
    run = secrets.token_hex(4)
    loops: dict[str, Loop] = {f"broker {name}": broker.run for name, broker in brokers.items()}
    for entry in desk.site.devices:
        device, tell = devices[entry.name], intake.tell_for(entry, devices[entry.name])
        loops[f"device {entry.name}"] = partial(watch.run, entry, device, tell)
        if entry.role == "sign":
            lane = desk.site.lane(entry.lane)
            sign = Watched(device, watch.of(entry.name))
            loops[f"sign {entry.name}"] = Announcer(desk, lane, entry.station, sign).run
    if desk.site.raw.keep_mb:
        loops["raw log"] = partial(watch.keep, desk)
    for lane in desk.site.lanes:
        marshal = Marshal(desk, lane, lane_devices(desk, watch, devices, lane.name), run)
        loops[f"marshal {lane.name}"] = marshal.run
    return loops
