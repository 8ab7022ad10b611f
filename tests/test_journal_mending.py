"""A damaged, torn or rolled back journal goes on, and nobody's knowledge is ever contradicted."""

import asyncio
import os
import random
import shutil
from pathlib import Path

import httpx
import pytest
from typer.testing import CliRunner

from central_sync.courier import Courier, Pace
from central_sync.journal import Journal, JournalError, Roll
from central_sync.mending import Known, mend, sound
from central_sync.photos import Photos
from central_sync.registry.api import build_app
from central_sync.registry.engines import open_engine
from central_sync.registry.nodes import standing
from central_sync.seal import NodeKey
from central_sync.trust import Trust
from central_sync.verify import verify_journal
from central_sync.volumes import numbers_at, volume_path
from edge.__main__ import app as chayan
from edge.compose import node_key
from edge.settings import load
from lanes.record import Continued, parse
from tests.central_parts import Lane, settings_for
from tests.edge_parts import site_file
from tests.test_journal_volumes import draft, merged

KEY = NodeKey.generate()


async def write(folder: Path, first: int, last: int, roll: int = 1000) -> None:
    journal = Journal(folder / "journal.sqlite", "node-1", signer=KEY, roll=Roll(records=roll))
    for n in range(first, last):
        await journal.append(draft(f"k{n}-{'x' * 120}"))
    journal.close()


def holds(folder: Path) -> bool:
    return verify_journal(folder, Trust(keys=(KEY.public,))).holds


def spoil(path: Path, part: float) -> None:
    content = bytearray(path.read_bytes())
    page = 4096 * int(len(content) / 4096 * part)
    content[page : page + 4096] = os.urandom(4096)
    path.write_bytes(content)


def test_nothing_is_mended_that_holds(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, 0, 30))
    with pytest.raises(JournalError, match="nothing to mend"):
        mend(tmp_path / "journal.sqlite", "node-1", [], "agent")


@pytest.mark.parametrize("seed", range(12))
def test_a_spoilt_or_cut_file_keeps_what_holds_and_goes_on_after_what_was_signed(
    tmp_path: Path, seed: int
) -> None:
    asyncio.run(write(tmp_path, 0, 400, roll=150))
    dice, path = random.Random(seed), tmp_path / "journal.sqlite"
    victim = tmp_path / dice.choice(["journal.sqlite", "journal-2.sqlite", "journal-3.sqlite"])
    if seed % 3 == 0:
        os.truncate(victim, dice.randrange(4096, victim.stat().st_size))
    else:
        spoil(victim, dice.uniform(0.1, 0.95))
    stands = sound(path, "node-1")
    if not stands.why:
        return  # the page held nothing that counts
    done = mend(path, "node-1", [], "agent")
    assert done.kept == stands.seq and done.goes_on_after == 402, "the mark had seen all of them"
    assert all(each.exists() for each in done.set_aside) and done.set_aside
    asyncio.run(write(tmp_path, 400, 420))
    journal = Journal(path, "node-1", signer=KEY)
    first = parse(journal.rows(402, 1)[0].data)
    assert isinstance(first.body, Continued)
    assert (first.seq, first.body.lost_from, first.body.lost_through) == (403, stands.seq + 1, 402)
    assert journal.head()[0] == 423
    journal.close()
    assert holds(tmp_path)


def test_a_lost_message_is_written_again_and_a_kept_one_is_known(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    async def fill() -> None:
        journal = Journal(path, "node-1", signer=KEY, roll=Roll(records=50))
        for n in range(180):
            await journal.append(draft(f"k{n}-{'x' * 120}"))
        await merged(journal)
        journal.close()

    asyncio.run(fill())
    spoil(tmp_path / "journal-2.sqlite", 0.6)
    done = mend(path, "node-1", [], "agent")
    assert 50 <= done.kept < 100 and done.goes_on_after == 183

    async def repeat() -> list[bool]:
        journal = Journal(path, "node-1", signer=KEY)
        fresh = [(await journal.append(draft(f"k{n}-{'x' * 120}")))[0].fresh for n in range(180)]
        journal.close()
        return fresh

    fresh = asyncio.run(repeat())
    assert fresh == sorted(fresh) and 45 <= fresh.index(True) < 100
    assert holds(tmp_path)


def test_a_ledger_that_is_newer_than_its_journal_gives_no_wrong_record(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    async def write_until(last: int) -> None:
        journal = Journal(path, "node-1", roll=Roll(records=20))
        for n in range(last):
            await journal.append(draft(f"k{n}"))
        await merged(journal)
        journal.close()

    asyncio.run(write_until(25))
    copies = {name: (tmp_path / name).read_bytes() for name in ("journal.sqlite", "journal-2.sqlite")}
    asyncio.run(write_until(70))
    for later in numbers_at(path)[1:]:
        volume_path(path, later).unlink()
    for name, content in copies.items():
        (tmp_path / name).write_bytes(content)

    async def other() -> None:
        journal = Journal(path, "node-1", roll=Roll(records=20))
        await journal.append(*(draft(f"other{n}") for n in range(60)))
        (repeated,) = await journal.append(draft("k45"))
        assert repeated.fresh, "its number is that of another record now"
        journal.close()

    asyncio.run(other())


def test_yesterdays_copy_goes_on_after_what_was_signed_since(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, 0, 20))
    yesterday = (tmp_path / "journal.sqlite").read_bytes()
    asyncio.run(write(tmp_path, 20, 30))
    (tmp_path / "journal.sqlite").write_bytes(yesterday)
    done = mend(tmp_path / "journal.sqlite", "node-1", [], "agent")
    assert (done.kept, done.goes_on_after, done.set_aside) == (20, 30, ())
    asyncio.run(write(tmp_path, 30, 35))
    assert holds(tmp_path)


def test_who_knows_another_history_stops_the_mending(tmp_path: Path) -> None:
    asyncio.run(write(tmp_path, 0, 20))
    before = (tmp_path / "journal.sqlite").read_bytes()
    other = Known(seq=10, head=bytes(32), where="the centre")
    with pytest.raises(JournalError, match="the centre has another head at record 10"):
        mend(tmp_path / "journal.sqlite", "node-1", [other], "agent")
    assert (tmp_path / "journal.sqlite").read_bytes() == before


def test_the_courier_goes_on_with_a_real_registry_after_a_mending(tmp_path: Path) -> None:
    lane = Lane("node-1")
    lane.key = KEY
    dsn = f"sqlite:///{tmp_path / 'r.sqlite'}"
    app = build_app(settings_for(dsn, tmp_path, lane))
    node = tmp_path / "node"

    async def carry() -> None:
        journal = Journal(node / "journal.sqlite", "node-1", signer=KEY)
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://r.test") as client:
            courier = Courier(
                site=lane.site, node="node-1", journal=journal, photos=Photos(node / "photos"), signer=KEY,
                client=client, pace=Pace(first_pause=0.02, longest_pause=0.1, recheck=0.2),
            )  # fmt: skip
            task = asyncio.create_task(courier.run())
            async with asyncio.timeout(30):
                while courier.progress.accepted_through < journal.head()[0]:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert courier.progress.alarms == {}
        journal.close()

    asyncio.run(write(node, 0, 100))
    shutil.copytree(node, tmp_path / "yesterday")
    asyncio.run(write(node, 100, 150))
    asyncio.run(carry())
    for name in ("journal.sqlite", "journal.head"):
        shutil.copy(tmp_path / "yesterday" / name, node / name)
    engine = open_engine(dsn)
    (held,) = standing(engine, "node-1", lane.site)
    assert held.through >= 150
    known = Known(seq=held.through, head=bytes.fromhex(held.head), where="centre")
    done = mend(node / "journal.sqlite", "node-1", [known], "agent")
    assert (done.kept, done.goes_on_after) == (100, held.through)
    asyncio.run(write(node, 200, 220))
    asyncio.run(carry())
    journal = Journal(node / "journal.sqlite", "node-1", signer=KEY)
    (after,) = standing(engine, "node-1", lane.site)
    assert after.through > held.through  # a comparison of clocks may have been written since
    assert after.head == journal.rows(after.through - 1, 1)[0].head.hex()
    journal.close()
    engine.dispose()
    assert holds(node)


def test_the_commands_say_how_a_journal_stands_and_mend_it(tmp_path: Path) -> None:
    path = site_file(tmp_path)
    site = load(path)
    node, run = site.node.folder, CliRunner()

    async def fill(first: int, last: int) -> None:
        journal = Journal(node / "journal.sqlite", site.node.name, signer=node_key(site))
        for n in range(first, last):
            await journal.append(draft(f"k{n}"))
        journal.close()

    assert run.invoke(chayan, ["journal", "status", str(path)]).exit_code == 1
    asyncio.run(fill(0, 20))
    good = run.invoke(chayan, ["journal", "status", str(path), "--json"])
    assert good.exit_code == 0 and '"records": 20' in good.output
    nothing = run.invoke(chayan, ["journal", "mend", str(path), "--offline"])
    assert nothing.exit_code == 1 and "nothing to mend" in nothing.output
    old = (node / "journal.sqlite").read_bytes()
    asyncio.run(fill(20, 25))
    (node / "journal.sqlite").write_bytes(old)
    bad = run.invoke(chayan, ["journal", "status", str(path)])
    assert bad.exit_code == 1 and "旧副本" in bad.output
    asked = run.invoke(chayan, ["journal", "mend", str(path)])
    assert asked.exit_code == 1 and "does not say how far it holds" in asked.output
    for wrong in ("x", "3", "3:zz", "0:" + "0" * 64, "3:00"):
        assert "write SEQ:HEAD" in run.invoke(chayan, ["journal", "mend", str(path), "--from", wrong]).output
    done = run.invoke(chayan, ["journal", "mend", str(path), "--offline"])
    assert done.exit_code == 0 and "21 to 25 are lost" in done.output
    assert run.invoke(chayan, ["journal", "status", str(path)]).exit_code == 0
