"""The one-way road: what goes in comes out once, in order, and nothing hostile gets through."""

import asyncio
import io
import os
import random
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import msgspec
import pytest
import sqlalchemy as sa
import zstandard
from typer.testing import CliRunner

from central_sync import bundle as b
from central_sync.bundle import BundleError, open_bundle
from central_sync.ferry import Export, State, receipt_of
from central_sync.journal import Journal
from central_sync.photos import Photos
from central_sync.registry import tables
from central_sync.registry.accept import Policy
from central_sync.registry.ferry import import_all, write_receipt
from central_sync.registry.nodes import standing
from central_sync.registry.runs import Withheld
from central_sync.seal import NodeKey
from central_sync.trust import Trust
from central_sync.verify import verify_journal
from central_sync.volumes import JournalReader
from edge.__main__ import app as chayan
from edge.bundles import Ferrying
from edge.desk import Desk
from edge.settings import Bundles
from lanes.record import Checked, Draft, Refused, parse
from tests.central_parts import Lane, digest, dsn, engine, enrolled, photo
from tests.edge_parts import edge_at
from tests.held_parts import entries_of

__all__ = ["dsn", "engine"]  # fixtures
ROOT = Path(__file__).parents[1]
REGISTRY = NodeKey.generate()
TAKES = Policy(allow_simulated=True, key=REGISTRY)


class Road:
    """A node with a journal of whole inspections, and the folder its bundles go to."""

    def __init__(self, folder: Path, size_bytes: int = 100 << 20) -> None:
        self.folder, self.out, self.lane = folder, folder / "out", Lane()
        self.photos = Photos(folder / "photos")
        self.size, self.count = size_bytes, 0

    def write(self, inspections: int) -> None:
        asyncio.run(self._write(inspections))

    async def _write(self, inspections: int) -> None:
        journal = Journal(self.folder / "journal.sqlite", self.lane.node, signer=self.lane.key)
        for _ in range(inspections):
            self.count += 1
            self.lane.rows.clear()
            self.lane.inspect(f"a{self.count}")
            self.photos.put(photo(f"a{self.count}"))
            told = [parse(row.data) for row in self.lane.rows]
            keys = [f"{self.count}/{record.seq}" for record in told]
            drafts = [
                Draft(source="t", source_key=key, body=record.body, inspection=record.inspection)
                for key, record in zip(keys, told, strict=True)
            ]
            await journal.append(*drafts)
        journal.close()

    def export(self) -> list[Path]:
        reader = JournalReader(self.folder)
        try:
            return self.exporter(reader).export()
        finally:
            reader.close()

    def exporter(self, reader: Any) -> Export:
        return Export(
            site=self.lane.site, node=self.lane.node, journal=reader, photos=self.photos,
            signer=self.lane.key, out=self.out, state=self.folder / "state.json", size_bytes=self.size,
        )  # fmt: skip

    def head(self) -> tuple[int, str]:
        reader = JournalReader(self.folder)
        seq, head = reader.head()
        reader.close()
        return seq, head.hex()


def held(engine: sa.Engine, lane: Lane) -> tuple[int, str]:
    (stands,) = standing(engine, lane.node, lane.site)
    return stands.through, stands.head


def wanted(engine: sa.Engine, lane: Lane) -> list[str]:
    return standing(engine, lane.node, lane.site)[0].wanted


def outcomes(engine: sa.Engine, folder: Path, *paths: Path) -> list[str]:
    results = import_all(engine, Photos(folder / "centre"), TAKES, paths)
    assert all(each.zh and each.en for each in results)
    return [each.outcome for each in results]


# ---- the road ------------------------------------------------------------------------------------


def test_everything_arrives_once_in_any_order_of_files_with_its_photos(
    engine: sa.Engine, tmp_path: Path
) -> None:
    road = Road(tmp_path, size_bytes=20_000)
    enrolled(engine, road.lane)
    road.write(30)
    first = road.export()
    assert road.export() == []
    road.write(10)
    paths = first + road.export()
    assert len(paths) > 5
    assert [open_bundle(path).number for path in paths] == list(range(1, len(paths) + 1))
    shuffled = random.Random(1).sample(paths, len(paths))
    assert set(outcomes(engine, tmp_path, *shuffled)) == {"taken"}
    assert held(engine, road.lane) == road.head()
    assert wanted(engine, road.lane) == []
    assert set(outcomes(engine, tmp_path, *shuffled)) == {"held"}
    assert held(engine, road.lane) == road.head()


def test_each_bundle_names_the_one_before_it(tmp_path: Path) -> None:
    road = Road(tmp_path, size_bytes=20_000)
    road.write(20)
    previous = ""
    for path in road.export():
        opened = open_bundle(path)
        opened.check()
        assert opened.manifest.previous == previous
        assert opened.is_by([road.lane.key.public]) and not opened.is_by([REGISTRY.public])
        previous = digest(path.read_bytes())


def test_a_gap_is_named_and_closed_by_the_late_bundle(engine: sa.Engine, tmp_path: Path) -> None:
    road = Road(tmp_path, size_bytes=20_000)
    enrolled(engine, road.lane)
    road.write(20)
    paths = road.export()
    assert outcomes(engine, tmp_path, paths[0]) == ["taken"]
    late = import_all(engine, Photos(tmp_path / "centre"), TAKES, [paths[3]])
    assert late[0].outcome == "gap"
    assert "bundle 2–3 is missing before bundle 4" in late[0].en
    assert set(outcomes(engine, tmp_path, *paths)) == {"taken", "held"}
    assert held(engine, road.lane) == road.head()


def test_what_was_written_anew_under_an_old_number_changes_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    road = Road(tmp_path)
    enrolled(engine, road.lane)
    road.write(3)
    (path,) = road.export()
    assert outcomes(engine, tmp_path, path) == ["taken"]
    (tmp_path / "state.json").unlink()
    path.unlink()
    (again,) = road.export()
    assert again == path
    assert outcomes(engine, tmp_path, again)[0] in ("taken", "held"), "the same second, the same bytes"
    assert held(engine, road.lane) == road.head()
    with engine.connect() as connection:
        assert connection.execute(sa.select(sa.func.count()).select_from(tables.bundles)).scalar_one() == 1


def test_ordinary_tools_open_a_bundle(tmp_path: Path) -> None:
    road = Road(tmp_path)
    road.write(2)
    (path,) = road.export()
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        names = archive.getnames()
    assert names[:3] == ["manifest.json", "manifest.sig", "batches/000001.json"]
    if shutil.which("tar") and shutil.which("zstd"):
        listed = subprocess.run(
            ["tar", "--zstd", "-tf", str(path)], capture_output=True, text=True, check=True
        )
        assert listed.stdout.split() == names


KILLED = """
import os, random, signal, sys, threading, time
from pathlib import Path
from tests.test_bundles import Road
from central_sync.seal import NodeKey
folder, seed = Path(sys.argv[1]), int(sys.argv[2])
road = Road(folder, 15_000)
road.lane.node, road.lane.key = sys.argv[3], NodeKey.load(folder / "node.key")
wait = random.Random(seed).uniform(0.0, 0.25)
threading.Thread(target=lambda: (time.sleep(wait), os.kill(os.getpid(), signal.SIGKILL)), daemon=True).start()
road.export()
"""


@pytest.mark.slow
def test_killed_at_any_moment_an_export_leaves_a_dense_sequence_and_the_same_chain(
    engine: sa.Engine, tmp_path: Path
) -> None:
    road = Road(tmp_path, 15_000)
    road.lane.key = NodeKey.create(tmp_path / "node.key")
    enrolled(engine, road.lane)
    road.write(60)
    for seed in range(15):
        subprocess.run(
            [sys.executable, "-c", KILLED, str(tmp_path), str(seed), road.lane.node],
            cwd=ROOT, timeout=60, check=False, capture_output=True,
        )  # fmt: skip
    road.export()
    paths = sorted(road.out.glob("*.tar.zst"))
    assert [open_bundle(path).number for path in paths] == list(range(1, len(paths) + 1))
    assert set(outcomes(engine, tmp_path, *paths)) == {"taken"}
    assert held(engine, road.lane) == road.head() and wanted(engine, road.lane) == []


# ---- receipts ------------------------------------------------------------------------------------


def ferrying_of(
    engine: sa.Engine, desk: Desk, road: Bundles, simulated: bool = True
) -> tuple[Lane, Ferrying]:
    """The loop of a node whose key is enrolled, and who trusts the registry's."""
    site, key = desk.site, NodeKey.generate()
    lane = Lane(site.node.name, site.site.id)
    lane.key = key
    enrolled(engine, lane, simulated)
    registry = msgspec.structs.replace(site.registry, key=REGISTRY.public)
    desk.site = msgspec.structs.replace(site, registry=registry)
    return lane, Ferrying(desk, key, road)


def test_receipts_come_back_settle_once_and_lost_photos_go_again(engine: sa.Engine, tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            out, back = tmp_path / "out", tmp_path / "back"
            lane, ferrying = ferrying_of(engine, edge.desk, Bundles(out=out, back=back))
            inspection = await edge.order()
            await edge.arrive(inspection)
            picture = b"\xff\xd8\xff\xe0picture"
            await edge.client.put(f"/api/v1/photos/{digest(picture)}", content=picture)
            act = {"kind": "photographed", "shot": "0111", "photo": digest(picture)}
            assert (await edge.act(inspection, "p", act)).status_code == 201

            async def ferry() -> list[str]:
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.4):
                        await ferrying.run()
                done = outcomes(engine, tmp_path, *sorted(out.glob("*.tar.zst")))
                number = len(list(out.glob("*.tar.zst")))
                write_receipt(engine, REGISTRY, lane.site, lane.node, number, back)
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.4):
                        await ferrying.run()
                return done

            assert await ferry() == ["taken"]
            settled = edge.desk.journal.receipts()
            assert settled["bundles"] == settled["bundles#photos"] == held(engine, lane)[0]
            trust = Trust(registry_keys=[REGISTRY.public])
            findings = verify_journal(edge.desk.journal.path, trust)
            confirmed = f"bundles has confirmed through record {settled['bundles']}"
            assert confirmed in {line.en for line in findings.good}, findings.bad
            with engine.begin() as connection:
                connection.execute(sa.update(tables.photos).values(held=False))
            shutil.rmtree(tmp_path / "centre")
            await edge.order("k2", vehicle={**_vehicle(), "vin": "LTEST1A27R0000009"})
            await ferry()
            await ferry()
            assert wanted(engine, lane) == []
            assert "bundle-receipt" not in edge.desk.alarms

    asyncio.run(use())


def test_what_the_centre_did_not_take_of_a_bundle_is_put_on_record(engine: sa.Engine, tmp_path: Path) -> None:
    async def use() -> None:
        async with edge_at(tmp_path) as edge:
            out, back = tmp_path / "out", tmp_path / "back"
            lane, ferrying = ferrying_of(engine, edge.desk, Bundles(out=out, back=back), simulated=False)
            journal, inspection = edge.desk.journal, await edge.order()
            through = journal.head()[0]
            for number in (1, 2):
                with pytest.raises(TimeoutError):
                    async with asyncio.timeout(0.4):
                        await ferrying.run()
                outcomes(engine, tmp_path, *sorted(out.glob("*.tar.zst")))
                write_receipt(engine, REGISTRY, lane.site, lane.node, number, back)
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.4):
                    await ferrying.run()
            told = [record for record in journal.replay() if isinstance(record.body, Refused)]
            assert [each.body.refused_seq for each in told] == list(range(1, through + 1))
            assert {each.source for each in told} == {"virtual+courier://bundles"}
            assert told[-1].inspection == inspection and "simulated" in told[-1].body.why
            assert "refused record" in edge.desk.alarms["bundle-refused"].en
            assert "bundle-receipt" not in edge.desk.alarms

    asyncio.run(use())


def test_a_record_greater_than_any_registry_takes_goes_as_its_digest(
    engine: sa.Engine, tmp_path: Path
) -> None:
    road = Road(tmp_path)
    enrolled(engine, road.lane)
    road.write(1)
    huge = Checked(item="01", result="pass", officer="o", defects=("x" * 80,) * 110_000)

    async def more() -> None:
        journal = Journal(tmp_path / "journal.sqlite", road.lane.node, signer=road.lane.key)
        await journal.append(Draft(source="t", source_key="huge", inspection="a1", body=huge))
        journal.close()

    asyncio.run(more())
    road.write(1)
    paths = road.export()
    assert set(outcomes(engine, tmp_path, *paths)) == {"taken"}
    assert held(engine, road.lane) == road.head() and wanted(engine, road.lane) == []
    with engine.connect() as connection:
        (kept,) = [each for each in entries_of(connection) if each.instead]
    assert kept.seq == 12 and isinstance(kept.instead, Withheld) and kept.instead.size > 8 << 20
    folder = tmp_path / "back"
    path = write_receipt(engine, REGISTRY, road.lane.site, road.lane.node, 1, folder)
    came = receipt_of(path, road.lane.site, road.lane.node, REGISTRY.public)
    assert [each.seq for each in came.receipt.refused] == [12]


def _vehicle() -> dict[str, Any]:
    from tests.edge_parts import vehicle

    return vehicle(plate="浙A99999")


def test_only_the_registrys_own_receipt_for_this_node_is_believed(engine: sa.Engine, tmp_path: Path) -> None:
    road = Road(tmp_path)
    enrolled(engine, road.lane)
    road.write(2)
    outcomes(engine, tmp_path, *road.export())
    path = write_receipt(engine, REGISTRY, road.lane.site, road.lane.node, 1, tmp_path / "back")
    site, node = road.lane.site, road.lane.node
    came = receipt_of(path, site, node, REGISTRY.public)
    assert (came.receipt.accepted_through, came.receipt.head) == road.head()
    for where, key, says in (
        ((site, "other"), REGISTRY.public, "is no receipt for"),
        ((site, node), road.lane.key.public, "not signed by the registry"),
        ((site, node), "", "no registry is trusted"),
    ):
        with pytest.raises(BundleError, match=says):
            receipt_of(path, *where, key)
    assert outcomes(engine, tmp_path, path) == ["refused"]


# ---- hostile files -------------------------------------------------------------------------------


@pytest.fixture
def one(tmp_path: Path) -> tuple[Road, Path]:
    road = Road(tmp_path)
    road.write(2)
    (path,) = road.export()
    return road, path


def refused(engine: sa.Engine, road: Road, folder: Path, path: Path) -> str:
    """Why a file is refused; nothing of it may have been stored."""
    before = held(engine, road.lane)
    (result,) = import_all(engine, Photos(folder / "centre"), TAKES, [path])
    assert result.outcome == "refused", result.en
    assert str(path) in result.en
    assert held(engine, road.lane) == before
    assert not list((folder / "centre").glob("??/*"))
    return result.en


def repacked(road: Road, path: Path, change: Any, key: NodeKey | None = None) -> None:
    """The same archive with changed members; the manifest is signed anew where ``key`` is given."""
    plain = zstandard.ZstdDecompressor().stream_reader(io.BytesIO(path.read_bytes())).read()
    with tarfile.open(fileobj=io.BytesIO(plain)) as archive:
        members = [(m, archive.extractfile(m).read()) for m in archive.getmembers()]  # type: ignore[union-attr]
    members = change(members)
    if key is not None:
        signature = key.sign(b.message(members[0][1])).encode()
        members[1][0].size = len(signature)
        members[1] = (members[1][0], signature)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for member, content in members:
            archive.addfile(member, io.BytesIO(content) if member.isreg() else None)
    path.write_bytes(zstandard.ZstdCompressor().compress(packed.getvalue()))


def test_any_flipped_cut_or_added_byte_is_refused(
    engine: sa.Engine, one: tuple[Road, Path], tmp_path: Path
) -> None:
    road, path = one
    enrolled(engine, road.lane)
    whole = path.read_bytes()
    dice = random.Random(5)
    for at in [0, 1, 4, 5, len(whole) - 1, *(dice.randrange(len(whole)) for _ in range(40))]:
        path.write_bytes(whole[:at] + bytes([whole[at] ^ (1 << dice.randrange(8))]) + whole[at + 1 :])
        if zstandard.ZstdDecompressor().decompressobj and _same_content(path.read_bytes(), whole):
            continue  # a bit of the frame that means nothing
        refused(engine, road, tmp_path, path)
    for at in [0, 1, 100, len(whole) // 2, len(whole) - 1]:
        path.write_bytes(whole[:at])
        refused(engine, road, tmp_path, path)
    for more in (b"x", whole, bytes(1000)):
        path.write_bytes(whole + more)
        assert "goes on after its end" in refused(engine, road, tmp_path, path)
    path.write_bytes(whole)
    assert outcomes(engine, tmp_path, path) == ["taken"]


def _same_content(one: bytes, other: bytes) -> bool:
    try:
        return zstandard.ZstdDecompressor().stream_reader(io.BytesIO(one)).read() == (
            zstandard.ZstdDecompressor().stream_reader(io.BytesIO(other)).read()
        )
    except zstandard.ZstdError:
        return False


def test_swapped_renamed_and_foreign_parts_are_refused(
    engine: sa.Engine, one: tuple[Road, Path], tmp_path: Path
) -> None:
    road, path = one
    enrolled(engine, road.lane)
    whole = path.read_bytes()

    def evil(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> Any:
        def change(members: Any) -> Any:
            member = tarfile.TarInfo(name)
            member.type, member.linkname = kind, link
            return [*members[:2], (member, b""), *members[2:]]

        return change

    def swap(members: Any) -> Any:
        last, before = members[-1], members[-2]
        return [*members[:-2], (before[0], last[1]), (last[0], before[1])]

    def other_photo(members: Any) -> Any:
        member, content = members[-1]
        return [*members[:-1], (member, content[:-1] + b"X")]

    changes: list[tuple[Any, str]] = [
        (evil("../../etc/passwd"), "stands where"),
        (evil("/etc/passwd"), "stands where"),
        (evil("batches/000001.json", tarfile.SYMTYPE, "/etc/passwd"), "no plain file"),
        (evil("batches/000001.json", tarfile.LNKTYPE, "manifest.json"), "no plain file"),
        (evil("batches/000001.json", tarfile.CHRTYPE), "no plain file"),
        (evil("batches/000001.json", tarfile.FIFOTYPE), "no plain file"),
        (lambda members: members[:-1], "ends before"),
        (lambda members: [*members, members[-1]], "is not in the manifest"),
        (lambda members: [members[0], *members[2:]], "stands where manifest.sig"),
        (lambda members: members[1:], "stands where manifest.json"),
        (swap, "is not what was signed|is no plain file|is cut off"),
        (other_photo, "is not what was signed"),
    ]
    import re

    for change, says in changes:
        path.write_bytes(whole)
        repacked(road, path, change)
        why = refused(engine, road, tmp_path, path)
        assert re.search(says, why), why


def test_a_manifest_signed_by_somebody_else_or_about_something_else_is_refused(
    engine: sa.Engine, one: tuple[Road, Path], tmp_path: Path
) -> None:
    road, path = one
    whole = path.read_bytes()
    assert "not enrolled" in import_all(engine, Photos(tmp_path / "centre"), TAKES, [path])[0].en
    enrolled(engine, road.lane)

    def manifest(**changes: Any) -> Any:
        def change(members: Any) -> Any:
            listed = msgspec.json.decode(members[0][1], type=b.Manifest)
            packed = msgspec.json.encode(msgspec.structs.replace(listed, **changes))
            members[0][0].size = len(packed)
            return [(members[0][0], packed), *members[1:]]

        return change

    thief = NodeKey.generate()
    cases: list[tuple[Any, NodeKey | None, str]] = [
        (lambda members: members, thief, "not signed by the key"),
        (manifest(number=7), road.lane.key, "give it its name back"),
        (manifest(node="other-node"), road.lane.key, "give it its name back"),
        (manifest(site="../../x"), road.lane.key, "cannot stand in a file name"),
        (manifest(format="chayan bundle 9"), road.lane.key, "not of the form"),
        (manifest(head="0" * 64), None, "not signed by the key"),
        (
            manifest(parts=[b.Part(name="../x", size=0, sha256="0" * 64)]),
            road.lane.key,
            "lists a part that may not be there",
        ),
    ]
    for change, key, says in cases:
        path.write_bytes(whole)
        repacked(road, path, change, key)
        assert says in refused(engine, road, tmp_path, path)


def test_a_bomb_is_not_unpacked(
    engine: sa.Engine, one: tuple[Road, Path], tmp_path: Path, monkeypatch: Any
) -> None:
    road, path = one
    enrolled(engine, road.lane)
    monkeypatch.setattr(b, "MAX_PLAIN", 1 << 20)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("manifest.json")
        member.size = 64 << 20
        archive.addfile(member, io.BytesIO(bytes(64 << 20)))
    path.write_bytes(zstandard.ZstdCompressor().compress(packed.getvalue()))
    assert path.stat().st_size < 10_000
    why = refused(engine, road, tmp_path, path)
    assert "no plain file of at most" in why or "unpacks to more" in why


def test_what_is_no_bundle_at_all_is_refused_by_name(engine: sa.Engine, tmp_path: Path) -> None:
    for content in (
        b"",
        b"\x28\xb5\x2f\xfd",
        os.urandom(500),
        zstandard.ZstdCompressor().compress(b"no tar"),
    ):
        path = tmp_path / "x.tar.zst"
        path.write_bytes(content)
        (result,) = import_all(engine, Photos(tmp_path / "centre"), TAKES, [path])
        assert result.outcome == "refused" and str(path) in result.en


def test_a_state_that_cannot_be_read_or_a_foreign_file_in_the_way_stops_the_export_in_words(
    one: tuple[Road, Path], tmp_path: Path
) -> None:
    road, path = one
    kept = (tmp_path / "state.json").read_bytes()
    assert msgspec.json.decode(kept, type=State).number == 1
    (tmp_path / "state.json").write_bytes(b"{")
    with pytest.raises(BundleError, match="move it away"):
        road.export()
    (tmp_path / "state.json").write_bytes(kept)
    road.write(1)
    shutil.copy(path, path.with_name(path.name.replace("000001", "000002")))
    with pytest.raises(BundleError, match="give it its name back"):
        road.export()


# ---- the commands --------------------------------------------------------------------------------


def test_the_commands_carry_a_journal_over_and_refuse_in_words(dsn: str, tmp_path: Path) -> None:
    from edge.settings import load
    from tests.edge_parts import site_file

    path = site_file(tmp_path)
    site = load(path)
    road = Road(site.node.folder)
    road.lane = Lane(site.node.name, site.site.id)
    road.write(3)
    run = CliRunner()
    key = run.invoke(chayan, ["node-key", str(path)]).output.strip().partition("=")[2]
    out, back = tmp_path / "out", tmp_path / "back"
    done = run.invoke(chayan, ["bundle", "export", str(path), "--out", str(out)])
    assert done.exit_code == 0, done.output
    (written,) = out.glob("*.tar.zst")
    assert run.invoke(chayan, ["bundle", "show", str(written)]).exit_code == 0
    assert run.invoke(chayan, ["bundle", "export", str(path)]).exit_code == 1, "no [bundles], no --out"
    centre = ["--dsn", dsn, "--photos", str(tmp_path / "centre"), "--back", str(back)]
    refused = run.invoke(chayan, ["bundle", "import", str(out), *centre])
    assert refused.exit_code == 1 and "not enrolled" in refused.output
    from central_sync.registry.engines import open_engine
    from central_sync.registry.nodes import enroll

    engine = open_engine(dsn)
    enroll(engine, site.site.id, site.node.name, key, True)
    engine.dispose()
    taken = run.invoke(chayan, ["bundle", "import", str(out), *centre])
    assert taken.exit_code == 0, taken.output
    assert len(list(back.glob("*.receipt.*"))) == 1
    again = run.invoke(chayan, ["bundle", "import", str(out), *centre])
    assert again.exit_code == 0 and "早已导入" in again.output
    assert run.invoke(chayan, ["bundle", "import", str(tmp_path / "no"), *centre]).exit_code == 1
    assert run.invoke(chayan, ["bundle", "show", str(path)]).exit_code == 1
