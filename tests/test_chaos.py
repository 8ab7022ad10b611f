"""make chaos itself: a few faults of each rig, and a judge that must not be fooled."""

import asyncio
import hashlib
import json
import random
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chaos import copies
from benchmarks.chaos.deck import SHARES, Deck
from benchmarks.chaos.facts import Fact
from benchmarks.chaos.judge import judge_journal, judge_photos, judge_registry, judge_verification
from benchmarks.chaos.node import NODE, SITE
from benchmarks.chaos.tally import Tally
from central_sync import batch as wire
from central_sync.journal import Journal, Roll
from central_sync.registry import runs
from central_sync.registry.accept import Policy, accept
from central_sync.registry.engines import open_engine, writing
from central_sync.registry.nodes import enroll
from central_sync.registry.schema import prepare
from central_sync.seal import NodeKey
from lanes.record import genesis
from tests import held_parts

FACTS = [Fact(device=device, number=number) for number in range(1, 31) for device in (1, 2)]


def chaos(*options: str) -> tuple[int, dict[str, Any]]:
    command = [sys.executable, "-m", "benchmarks.chaos", *options, "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=230, check=False)
    assert done.stdout, done.stderr[-2000:]
    report: dict[str, Any] = json.loads(done.stdout)
    return done.returncode, report


@pytest.mark.slow
@pytest.mark.timeout(235)
def test_faults_on_the_road_lose_double_and_change_nothing() -> None:
    status, report = chaos("--faults", "40", "--system", "0", "--seed", "2")
    assert (status, report["what"]) == (0, [])
    assert report["faults"] >= 40 and report["seed"] == 2 and len(report["kinds"]) > 8
    assert (report["lost"], report["doubled"], report["chains_equal"]) == (0, 0, True)
    assert report["photos_missing"] == 0 and 0 < report["acknowledged"] <= report["records"]


@pytest.mark.slow
@pytest.mark.timeout(235)
def test_a_few_kills_of_the_whole_system_lose_and_double_nothing() -> None:
    status, report = chaos("--faults", "4", "--system", "4", "--seed", "2", "--vehicles", "2")
    assert (status, report["what"]) == (0, [])
    assert report["faults"] == 4 and report["vehicles"] >= 2
    assert all(kind.startswith("kill_system_") for kind in report["kinds"])


@pytest.mark.slow
@pytest.mark.timeout(235)
@pytest.mark.parametrize(
    ("broken", "count"), [("ack-early", "lost"), ("new-key", "doubled"), ("no-photo", "photos_missing")]
)
def test_a_broken_node_is_found(broken: str, count: str) -> None:
    status, report = chaos("--faults", "25", "--system", "0", "--seed", "5", "--broken", broken)
    assert status == 1 and report["what"]
    assert report[count] > 0 or report["fallen"] > 0


def test_what_cannot_be_asked_for_is_said() -> None:
    command = [sys.executable, "-m", "benchmarks.chaos", "--faults", "none"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 2 and "--faults" in done.stderr


def test_every_kind_gets_its_share() -> None:
    deck = Deck(random.Random(1), frozenset(SHARES) - {"full_disk"})
    size = sum(SHARES.values()) - SHARES["full_disk"]
    drawn = [deck.draw() for _ in range(2 * size)]
    assert {kind: drawn.count(kind) for kind in set(drawn)} == {
        kind: 2 * share for kind, share in SHARES.items() if kind != "full_disk"
    }


# ---- the judge -----------------------------------------------------------------------------------


class Rest:
    """A rig at rest, made without any process: journal of three volumes, photos, one registry."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.database = folder, folder / "registry.sqlite"
        self.acknowledged: dict[str, int] = {}
        self.key = NodeKey.generate()

    async def write(self) -> None:
        journal = Journal(self.folder / "journal.sqlite", NODE, signer=self.key, roll=Roll(records=25))
        for fact in FACTS:
            [appended] = await journal.append(fact.draft())
            self.acknowledged[fact.identity] = appended.record.seq
            if photo := fact.photo():
                digest = hashlib.sha256(photo).hexdigest()
                path = self.folder / "photos" / digest[:2] / f"{digest}.bin"
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(photo)
        rows = journal.rows(0, 500)
        journal.close()
        engine = open_engine(f"sqlite:///{self.database}")
        prepare(engine)
        enroll(engine, SITE, NODE, self.key.public, True)
        batch = wire.compose(SITE, NODE, rows, genesis(NODE), self.key)
        accept(engine, batch, Policy(allow_simulated=True))
        engine.dispose()

    def judged(self) -> Tally:
        tally = Tally()
        chain = judge_journal(tally, self.folder, NODE, self.acknowledged)
        judge_verification(tally, self.folder, self.key.public)
        judge_photos(tally, "node", self.folder / "photos", chain)
        judge_registry(tally, "registry", self.database, NODE, chain)
        return tally

    def at_registry(self, seq: int, *instead: bytes | runs.Instead) -> None:
        """Puts ``instead`` in the place of a record at the registry."""
        engine = open_engine(f"sqlite:///{self.database}")
        with writing(engine) as connection:
            held_parts.rewrite(connection, NODE, seq, *instead)
        engine.dispose()

    def change(self, file: str, *statements: str) -> None:
        """Does to a file what its triggers would forbid."""
        with closing(sqlite3.connect(self.folder / file)) as raw:
            triggers = raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall()
            for statement in (*(f"DROP TRIGGER {name}" for (name,) in triggers), *statements):
                raw.execute(statement)
            raw.commit()


@pytest.fixture
def rest(tmp_path: Path) -> Rest:
    made = Rest(tmp_path)
    asyncio.run(made.write())
    return made


def test_the_judge_finds_nothing_where_nothing_is(rest: Rest) -> None:
    tally = rest.judged()
    assert tally.good, tally.findings
    assert (tally.records, tally.volumes) == (len(FACTS) + 2, 3)


def lose_the_last(rest: Rest) -> None:
    rest.change("journal-3.sqlite", "DELETE FROM records WHERE seq = 62")


def change_a_byte(rest: Rest) -> None:
    rest.change(
        "journal-2.sqlite",
        "UPDATE records SET data = CAST(replace(data, 'gate', 'exit') AS BLOB) WHERE seq = 30",
    )


def forget_at_the_registry(rest: Rest) -> None:
    rest.at_registry(40)


def refuse_at_the_registry(rest: Rest) -> None:
    rest.at_registry(40, runs.Refused("no", "0" * 64, "0" * 64))


def change_at_the_registry(rest: Rest) -> None:
    rest.at_registry(40, b"{}")


def sign_another_head(rest: Rest) -> None:
    rest.change(
        "journal-3.sqlite", "UPDATE heads SET signature = replace(signature, substr(signature, 20, 1), '+')"
    )


def acknowledge_twice(rest: Rest) -> None:
    rest.acknowledged["1/3"] = 60


def acknowledge_what_is_not_there(rest: Rest) -> None:
    rest.acknowledged["1/99"] = 0


def lose_a_photo(rest: Rest) -> None:
    next((rest.folder / "photos").glob("??/*.bin")).unlink()


def spoil_a_photo(rest: Rest) -> None:
    next((rest.folder / "photos").glob("??/*.bin")).write_bytes(b"other")


@pytest.mark.parametrize(
    ("harm", "count"),
    [
        (lose_the_last, "lost"),
        (change_a_byte, "changed"),
        (forget_at_the_registry, "lost"),
        (refuse_at_the_registry, "lost"),
        (change_at_the_registry, "changed"),
        (sign_another_head, "changed"),
        (acknowledge_twice, "doubled"),
        (acknowledge_what_is_not_there, "lost"),
        (lose_a_photo, "photos_missing"),
        (spoil_a_photo, "photos_missing"),
    ],
)
def test_the_judge_finds_each_harm(rest: Rest, harm: Callable[[Rest], None], count: str) -> None:
    harm(rest)
    assert getattr(rest.judged(), count)


def test_a_fact_under_two_keys_counts_as_doubled(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.sqlite", NODE, signer=NodeKey.generate())
    asyncio.run(twice(journal))
    journal.close()
    tally = Tally()
    judge_journal(tally, tmp_path, NODE, {FACTS[0].identity: 1})
    assert "journal: 2 records of fact 1/1" in tally.doubled


async def twice(journal: Journal) -> None:
    await journal.append(FACTS[0].draft(), FACTS[0].draft("another-key"))


@pytest.mark.parametrize("seed", range(12))
def test_a_torn_copy_is_refused_or_true(rest: Rest, tmp_path: Path, seed: int) -> None:
    torn = tmp_path / "torn"
    copies.copy(rest.folder, torn)
    what = copies.tear(torn, random.Random(seed))
    assert copies.examine(torn, rest.folder, NODE, what) == []


def test_a_copy_of_another_journal_is_no_copy(rest: Rest, tmp_path: Path) -> None:
    other = tmp_path / "other"
    shutil.copytree(rest.folder, other, ignore=shutil.ignore_patterns("*.head", "other", "*.lock"))
    for path in (other / "journal-2.sqlite", other / "journal-3.sqlite", other / "keys.sqlite"):
        path.unlink()
    rewrite(other / "journal.sqlite")
    found = copies.examine(other, rest.folder, NODE, "forged")
    assert len(found) == 2 and "record 7 is not what was written" in found[0] and "never written" in found[1]


def rewrite(path: Path) -> None:
    """Changes record 7 and links everything after it anew: only the true journal can tell."""
    with closing(sqlite3.connect(path)) as raw:
        for (name,) in raw.execute("SELECT name FROM sqlite_master WHERE type = 'trigger'").fetchall():
            raw.execute(f"DROP TRIGGER {name}")
        head = raw.execute("SELECT head FROM records WHERE seq = 6").fetchone()[0]
        for seq, data in raw.execute("SELECT seq, data FROM records WHERE seq >= 7 ORDER BY seq").fetchall():
            changed = data.replace(b'"gate"', b'"exit"') if seq == 7 else data
            head = hashlib.sha256(head + changed).digest()
            raw.execute("UPDATE records SET data = ?, head = ? WHERE seq = ?", (changed, head, seq))
        raw.commit()
