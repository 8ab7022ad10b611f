"""The site file: typed, strict, and clear about what is wrong where.

An unknown key is an error that names file, table, key and the nearest known key; so is a value out of range.
"""

import difflib
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, TypeAlias
from zoneinfo import available_timezones

import msgspec
from msgspec import Meta, Struct

from central_sync.seal import KeyTrouble, is_public_key, must_be_usable
from firmware_bridge.catalog import KINDS
from firmware_bridge.devices.registers import line_problems
from lanes.calibration import Certificate, Policy
from lanes.layout import CARRIED, WORK, Carried, Lane, Title, Word, layout_problems
from lanes.layout import Role as Measuring
from lanes.record import is_node_name

Port: TypeAlias = Annotated[int, Meta(ge=1, le=65535)]
Role: TypeAlias = (
    Measuring | Carried | Literal["camera", "pda", "io", "sign", "obd", "scanner", "tag", "card", "video"]
)
#: Roles of what measures, and so is calibrated.
MEASURING: frozenset[str] = frozenset({*WORK, *CARRIED})


class Site(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[site]: the licensed place."""

    id: Word
    title: Title
    timezone: str = "Asia/Shanghai"
    simulated: bool = False


class Node(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[node]: this edge box. ``folder`` holds its journal, photos and key."""

    name: Annotated[str, Meta(pattern="^[a-z0-9][a-z0-9-]{1,62}$")]
    folder: Path
    signature: Literal["ed25519", "sm2"] = "ed25519"


class JournalPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[journal]: when a volume is full, and how long full ones stay; without ``keep_days`` for ever.

    ``keep_refused_days``: how long those stay that hold a record some destination did not take.
    """

    roll_records: Annotated[int, Meta(ge=1000, le=100_000_000)] = 1_000_000
    roll_mb: Annotated[int, Meta(ge=10, le=100_000)] = 2000
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    keep_refused_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None
    copied_by: Literal["", "litestream"] = ""


class PhotoPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[photos]: how much they may take, and how long they stay; without ``keep_days`` for ever."""

    quota_gb: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None


class VideoPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[video]: stations (``LANE/STATION``) whose items must be filmed; the clips' room and stay."""

    must: tuple[Annotated[str, Meta(pattern="^[^/]+/[^/]+$", max_length=161)], ...] = ()
    quota_gb: Annotated[int, Meta(ge=1, le=1_000_000)] | None = None
    keep_days: Annotated[int, Meta(ge=1, le=36_500)] | None = None


class Disk(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[disk]: free space of the node's folder at which it warns, and at which it takes no new vehicle."""

    warn_mb: Annotated[int, Meta(ge=1, le=10_000_000)] = 4000
    refuse_mb: Annotated[int, Meta(ge=1, le=10_000_000)] = 1000
    ballast_mb: Annotated[int, Meta(ge=0, le=10_000)] = 64


class RawPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[raw]: the raw log of each device: its room on the disk (0: none is kept), and how much of one message.

    Of a message longer than ``whole_kb`` its digest and its first 4 KiB are kept.
    """

    keep_mb: Annotated[int, Meta(ge=0, le=10_000)] = 32
    whole_kb: Annotated[int, Meta(ge=4, le=8192)] = 64


class Bundles(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[bundles]: the one-way road; ``out`` is written every ``every_s``, receipts come back in ``back``."""

    out: Path
    back: Path | None = None
    every_s: Annotated[int, Meta(ge=1, le=86_400)] = 60
    size_mb: Annotated[int, Meta(ge=1, le=4000)] = 100
    name: Word = "bundles"


class RulesPolicy(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[rules]: items that the rules want and this site cannot inspect, and why; normally none.

    A code may be one of a group (NQ UC F1 DC C1): then all of its items are left out.
    """

    left_out: tuple[Annotated[str, Meta(min_length=1, max_length=20)], ...] = ()
    left_out_why: Annotated[str, Meta(max_length=400)] = ""


class Shadow(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[shadow]: a candidate that is asked beside the current models; it decides nothing.

    ``candidate``: its name in ``models/catalog.toml``, or a file of that form that ends in ``.toml``.
    ``share_percent`` of the photos; ``queue``: how many questions may wait for it.
    """

    candidate: Annotated[str, Meta(min_length=1, max_length=400)]
    share_percent: Annotated[int, Meta(ge=1, le=100)] = 10
    queue: Annotated[int, Meta(ge=1, le=1000)] = 16

    @property
    def named(self) -> str:
        """What records call the candidate."""
        return Path(self.candidate).name.removesuffix(".toml")[:80]


class BrokerAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[broker]: the MQTT 3.1.1 broker of the site."""

    host: Annotated[str, Meta(min_length=1)] = "127.0.0.1"
    port: Port = 1883
    username: str = ""
    password_file: Path | None = None
    payload_limit_mb: Annotated[int, Meta(ge=1, le=64)] = 8


class Api(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[api]: where PDA pages, lane board and PDAs reach this node."""

    host: str = "127.0.0.1"
    port: Port = 8600


class PushAddress(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[push]: where devices that post over plain HTTP reach this node; ``http://HOST:PORT/NAME``."""

    host: Annotated[str, Meta(min_length=1)]
    port: Port = 8601
    body_limit_mb: Annotated[int, Meta(ge=1, le=64)] = 8


class Registry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[registry]: the central registration database this node reports to; [[destinations]]: further ones.

    ``key``: the registry's public key; then only receipts countersigned by it are believed. ``ca_file``: who
    vouches for its TLS certificate, where that is no public authority.
    """

    url: Annotated[str, Meta(pattern="^https?://")]
    name: Word = "centre"
    key: Annotated[str, Meta(max_length=400)] = ""
    ca_file: Path | None = None


class Officer(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """[[officers]]: who may check vehicles here."""

    officer: Word
    name: Annotated[str, Meta(min_length=1, max_length=80)]


class DeviceEntry(Struct, frozen=True, kw_only=True):
    """[[devices]]: one device; the other keys of its table are those of its kind.

    ``certificate``, ``check_every_hours``: its calibration, and how often its zero or span must be checked.
    """

    name: Word
    kind: str
    role: Role
    lane: str = ""
    station: str = ""
    certificate: Certificate | None = None
    check_every_hours: Annotated[int, Meta(ge=1, le=8784)] | None = None
    config: Any = None


class SiteFile(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A whole site file."""

    site: Site
    node: Node
    lanes: Annotated[tuple[Lane, ...], Meta(min_length=1)]
    broker: BrokerAddress = BrokerAddress()
    api: Api = Api()
    push: PushAddress | None = None
    registry: Registry | None = None
    destinations: tuple[Registry, ...] = ()
    journal: JournalPolicy = JournalPolicy()
    photos: PhotoPolicy = PhotoPolicy()
    video: VideoPolicy = VideoPolicy()
    disk: Disk = Disk()
    raw: RawPolicy = RawPolicy()
    calibration: Policy = Policy()
    rules: RulesPolicy = RulesPolicy()
    shadow: Shadow | None = None
    bundles: Bundles | None = None
    officers: tuple[Officer, ...] = ()
    devices: tuple[DeviceEntry, ...] = ()

    def lane(self, name: str) -> Lane:
        """The lane of that name; raises KeyError."""
        return {lane.name: lane for lane in self.lanes}[name]


class SettingsError(Exception):
    """The site file is wrong; one problem a line, each naming file, table and key."""


_COMMON = {"name", "kind", "role", "lane", "station", "certificate", "check_every_hours"}


def load(path: Path) -> SiteFile:
    """Reads and validates a site file; relative paths in it start at its own folder. Raises SettingsError."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise SettingsError(f"{path}: cannot be read: {error.strerror or error}") from error
    return read(content, path)


def read(content: bytes, path: Path) -> SiteFile:
    """The same of bytes that are to stand at ``path``. Raises SettingsError."""
    try:
        tables = tomllib.loads(content.decode("utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise SettingsError(f"{path}: is not TOML: {error}") from error
    devices = tables.pop("devices", [])
    problems = [f"{path}: {line}" for line in unknown_keys(tables, SiteFile, "")]
    site = None if problems else _convert(path, tables, SiteFile, "", problems)
    entries = _devices(path, devices, problems)
    if site is not None:
        site = msgspec.structs.replace(site, devices=tuple(entries), node=_placed(site.node, path.parent))
        site = _with_paths(site, path.parent)
        problems += [f"{path}: {line}" for line in _cross_problems(site)]
    if problems or site is None:
        raise SettingsError("\n".join(problems))
    checked: SiteFile = site
    return checked


def _placed(node: Node, folder: Path) -> Node:
    return msgspec.structs.replace(node, folder=(folder / node.folder).resolve())


def _with_paths(site: SiteFile, folder: Path) -> SiteFile:
    """The site with every path of it taken from the site file's folder."""
    change = msgspec.structs.replace

    def placed(path: Path | None) -> Path | None:
        return None if path is None else (folder / path).resolve()

    def reached(registry: Registry) -> Registry:
        return change(registry, ca_file=placed(registry.ca_file))

    return change(
        site,
        broker=change(site.broker, password_file=placed(site.broker.password_file)),
        registry=site.registry and reached(site.registry),
        destinations=tuple(reached(each) for each in site.destinations),
        shadow=site.shadow and change(site.shadow, candidate=_candidate(site.shadow.candidate, folder)),
        bundles=site.bundles
        and change(site.bundles, out=placed(site.bundles.out), back=placed(site.bundles.back)),
    )


def _candidate(name: str, folder: Path) -> str:
    return str((folder / name).resolve()) if name.endswith(".toml") else name


def _devices(path: Path, tables: Any, problems: list[str]) -> list[DeviceEntry]:
    if not isinstance(tables, list) or not all(isinstance(table, dict) for table in tables):
        problems.append(f"{path}: devices must be [[devices]] tables")
        return []
    entries = []
    for number, table in enumerate(tables, 1):
        where = f"[[devices]] number {number} ({table.get('name', 'without name')})"
        entry = _device(path, table, where, problems)
        if entry is not None:
            entries.append(entry)
    return entries


def _device(path: Path, table: Mapping[str, Any], where: str, problems: list[str]) -> DeviceEntry | None:
    kind = KINDS.get(str(table.get("kind")))
    if kind is None:
        near = nearest(str(table.get("kind")), KINDS)
        problems.append(f"{path}: {where}: kind = {table.get('kind')!r} is no kind of device{near}")
        return None
    common = {key: value for key, value in table.items() if key in _COMMON}
    own = {key: value for key, value in table.items() if key not in _COMMON}
    known = _COMMON | {field.encode_name for field in msgspec.structs.fields(kind.config)}
    wrong = [f"{path}: {where}: unknown key {key!r}{nearest(key, known)}" for key in own if key not in known]
    nested = [f"{path}: {line}" for line in unknown_keys(own, kind.config, where)] if not wrong else []
    problems += wrong + nested
    if wrong or nested:
        return None
    config = _convert(path, own, kind.config, where, problems)
    entry = _convert(path, common, DeviceEntry, where, problems)
    if config is None or entry is None:
        return None
    placed: DeviceEntry = msgspec.structs.replace(entry, config=_with_own_paths(config, path.parent))
    return placed


def _with_own_paths(config: Any, folder: Path) -> Any:
    """A device's table with every path of it, however deep, taken from the site file's folder."""
    if not isinstance(config, Struct):
        return (folder / config).resolve() if isinstance(config, Path) else config
    values = {name: getattr(config, name) for name in config.__struct_fields__}
    return msgspec.structs.replace(
        config, **{name: _with_own_paths(value, folder) for name, value in values.items()}
    )


def _convert(path: Path, table: Mapping[str, Any], kind: Any, where: str, problems: list[str]) -> Any:
    try:
        return msgspec.convert(dict(table), kind, strict=True, dec_hook=decode_path)
    except msgspec.ValidationError as error:
        text, _, place = str(error).partition(" - at ")
        spot = place.strip("`").removeprefix("$").lstrip(".") or "the table"
        problems.append(f"{path}: {where + ': ' if where else ''}{spot}: {text}")
        return None


def decode_path(kind: type, value: Any) -> Path:
    """The ``Path`` that a table means by a string: a ``dec_hook`` of msgspec."""
    if kind is Path and isinstance(value, str) and value:
        return Path(value)
    raise msgspec.ValidationError(f"Expected a path, got {value!r}")


def unknown_keys(table: Any, kind: Any, where: str) -> list[str]:
    """One line for each key of ``table`` that the Struct ``kind`` does not have, however deep."""
    if isinstance(table, list):
        inner = next(iter(getattr(kind, "__args__", ())), None)
        return [
            line for n, each in enumerate(table, 1) for line in unknown_keys(each, inner, f"{where}[{n}]")
        ]
    struct = _struct_in(kind)
    if struct is None or not isinstance(table, dict):
        return []
    known = {field.encode_name: field.type for field in msgspec.structs.fields(struct)}
    lines = []
    for key, value in table.items():
        if key not in known:
            lines.append(f"[{where or 'top level'}]: unknown key {key!r}{nearest(key, known)}")
        else:
            lines += unknown_keys(value, _bare(known[key]), f"{where}.{key}" if where else key)
    return lines


def _bare(kind: Any) -> Any:
    return getattr(kind, "__origin__", kind) if hasattr(kind, "__metadata__") else kind


def _struct_in(kind: Any) -> type[Struct] | None:
    options = [kind, *getattr(kind, "__args__", ())]
    return next((each for each in options if isinstance(each, type) and issubclass(each, Struct)), None)


def nearest(word: str, known: Any) -> str:
    """'; did you mean …' for the closest known word, or the list of known ones."""
    close = difflib.get_close_matches(word, list(known), n=1, cutoff=0.5)
    return f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(sorted(known))}"


def _cross_problems(site: SiteFile) -> list[str]:
    """What no single table can know: names that meet each other."""
    problems = layout_problems(site.lanes)
    if site.site.timezone not in available_timezones():
        near = nearest(site.site.timezone, available_timezones())
        problems.append(f"site.timezone: {site.site.timezone!r} is no time zone{near[:200]}")
    if not is_node_name(site.node.name):
        problems.append(f"node.name {site.node.name!r} must be lower-case letters, digits and hyphens")
    problems += _road_problems(site)
    names = [entry.name for entry in site.devices]
    problems += [f"[[devices]] {n} is named twice" for n in sorted({n for n in names if names.count(n) > 1})]
    stations = {lane.name: {station.name for station in lane.stations} for lane in site.lanes}
    for entry in site.devices:
        problems += _unfit(entry)
        if entry.role not in MEASURING and (entry.certificate or entry.check_every_hours):
            problems.append(f"[[devices]] {entry.name}: only what measures is calibrated, not a {entry.role}")
        if entry.role == "pda":
            continue
        if entry.lane not in stations:
            problems.append(f"[[devices]] {entry.name}: lane = {entry.lane!r}{nearest(entry.lane, stations)}")
        elif entry.role != "io" and entry.station not in stations[entry.lane]:
            near = nearest(entry.station, stations[entry.lane])
            problems.append(f"[[devices]] {entry.name}: station = {entry.station!r}{near}")
        if entry.config is not None and getattr(entry.config, "simulated", False) and not site.site.simulated:
            problems.append(
                f"[[devices]] {entry.name}: simulated = true, but [site] simulated is not set to true"
            )
    problems += [f"[[devices]] {line}" for line in line_problems((e.name, e.config) for e in site.devices)]
    places = {f"{lane}/{name}" for lane, names in stations.items() for name in names}
    problems += [f"[video] must: {place!r}{nearest(place, places)}" for place in {*site.video.must} - places]
    return problems + _unheard(site) + _unwired(site) + _twice(site) + _misplaced(site)


def _unfit(entry: DeviceEntry) -> list[str]:
    """A role that a device of this kind cannot play."""
    fitting: tuple[str, ...] = getattr(entry.config, "roles", KINDS[entry.kind].roles)
    if entry.role in fitting:
        return []
    return [
        f"[[devices]] {entry.name}: kind {entry.kind} cannot be role = {entry.role!r}; "
        f"fitting: {', '.join(fitting)}"
    ]


def _unheard(site: SiteFile) -> list[str]:
    """Devices that post to an address which this node does not listen at."""
    if site.push is not None:
        return []
    return [
        f"[[devices]] {entry.name}: kind {entry.kind} posts to this node: add a table [push] with a host"
        for entry in site.devices
        if KINDS[entry.kind].pushes
    ]


def _twice(site: SiteFile) -> list[str]:
    """Two instruments of a lane for one role: only one of them could be asked."""
    first: dict[tuple[str, str], str] = {}
    return [
        f"[[devices]] {entry.name}: role = {entry.role!r} is {first[entry.lane, entry.role]}'s"
        f" on lane {entry.lane}"
        for entry in site.devices
        if entry.role in WORK and first.setdefault((entry.lane, entry.role), entry.name) != entry.name
    ]


def _misplaced(site: SiteFile) -> list[str]:
    """Instruments at a station where nothing of theirs is measured."""
    works = {(lane.name, station.name): station.work for lane in site.lanes for station in lane.stations}
    return [
        f"[[devices]] {entry.name}: role = {entry.role!r} is not measured at station {entry.station};"
        f" add it to the station's roles"
        for entry in site.devices
        if entry.role in WORK and entry.role not in works.get((entry.lane, entry.station), (entry.role,))
    ]


def _road_problems(site: SiteFile) -> list[str]:
    """Names that two share, keys that are none, halves of a pair, disk limits the wrong way round."""
    ends = [*([site.registry] if site.registry else []), *site.destinations]
    names = [each.name for each in ends] + ([site.bundles.name] if site.bundles else [])
    problems = [
        f"destination {name!r} is named twice; receipts are kept by name"
        for name in sorted({name for name in names if names.count(name) > 1})
    ]
    problems += [f"{each.name}: {why}" for each in ends if each.key and (why := _key_problem(each.key))]
    if why := _unusable(site.node.signature):
        problems.append(f"[node] signature = {site.node.signature!r}: {why}")
    if site.destinations and site.registry is None:
        problems.append("[[destinations]] without [registry]: name the own centre in [registry] first")
    stay, photos_stay = site.journal.keep_days, site.photos.keep_days
    if stay is not None and (photos_stay is None or photos_stay > stay):
        problems.append(
            f"[journal] keep_days = {stay} needs [photos] keep_days of at most {stay}: records name photos"
        )
    if bool(site.rules.left_out) != bool(site.rules.left_out_why.strip()):
        problems.append("[rules] left_out and left_out_why go together: say why these items are left out")
    if site.disk.refuse_mb >= site.disk.warn_mb:
        problems.append(
            f"[disk] refuse_mb = {site.disk.refuse_mb} must be less than warn_mb = {site.disk.warn_mb}"
        )
    return problems


def _key_problem(key: str) -> str:
    """Why no signature by this key could be checked on this node; empty: nothing."""
    if not is_public_key(key):
        return f"key = {key!r} is no public key such as ed25519:BASE64, see chayan registry-key"
    why = _unusable(key)
    return f"key = {key!r} cannot be checked: {why}" if why else ""


def _unusable(key: str) -> str:
    try:
        must_be_usable(key)
    except KeyTrouble as trouble:
        return str(trouble)
    return ""


def _unwired(site: SiteFile) -> list[str]:
    """Sensors that no I/O module of their lane reads: the agent could not follow a vehicle there."""
    wired = {
        (entry.lane, point.station, point.sensor)
        for entry in site.devices
        if entry.role == "io"
        for point in getattr(entry.config, "inputs", ())
    }
    return [
        f"lane {lane.name}, station {station.name}: no I/O device reads its sensor {sensor!r}"
        for lane in site.lanes
        for station in lane.stations
        for sensor in station.sensors
        if (lane.name, station.name, sensor) not in wired
    ]
