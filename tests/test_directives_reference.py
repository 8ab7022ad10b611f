"""What the centre has sent and the node keeps: rules, thresholds, site files; restarted, damaged, killed."""

import asyncio
import json
from collections.abc import Callable
from pathlib import Path

import httpx
import msgspec
import pytest

from central_sync.directives import Pull
from edge.acts import Acts
from edge.api import build_api
from edge.demo_site import Ports, site_text
from edge.desk import Desk
from edge.directives import NEXT_FILE, tell_configuration
from edge.marshal import LaneDevices, Marshal
from edge.reference import INDEX
from edge.reviews import take_thresholds
from edge.roads import Links
from lanes.record import Judged
from lanes.scope import RuleError
from models.catalog import WeightsError, catalog, overridden
from models.reviewer import Reviewer
from tests.agent_parts import ROOT
from tests.directives_parts import (
    black,
    centre_and_node,
    directed,
    lite_rules,
    order,
    site_path,
    tell,
)
from tests.edge_parts import TOKEN, Edge, edge_at, vehicle
from tests.models_parts import car_photo

CHECK = {"kind": "checked", "item": "01", "result": "pass"}
SIGN = {"kind": "signed", "role": "officer"}


def sqlite_at(folder: Path) -> str:
    return f"sqlite:///{folder / 'r.sqlite'}"


def rules_of(desk: Desk) -> dict[str, str]:
    """Name of the rules of each inspection, by its VIN."""
    return {each.vehicle.vin: desk.rules.of(each.ordered_seq).name for each in desk.book.inspections.values()}


# ---- rules ---------------------------------------------------------------------------------------


def test_a_visit_is_judged_by_the_rules_under_which_it_was_ordered(tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            names = ("lite 1", "lite 2")
            inspections = []
            for n, name in enumerate(names, 1):
                tell(edge, database, registry, "rules", lite_rules(name), name)
                await directed(edge, pull, n)
                inspections.append(await edge.order(f"k{n}", vehicle=vehicle(f"LTEST1A27R000000{n}", None)))
            for inspection in inspections:
                await edge.arrive(inspection)
                for act in (CHECK, SIGN):
                    assert (await edge.act(inspection, f"{inspection}-{act['kind']}", act)).status_code == 201
                lane = edge.desk.site.lanes[0]
                await Marshal(edge.desk, lane, LaneDevices(), "run")._round()
            judged = {r.inspection: r.body for r in edge.desk.journal.replay() if isinstance(r.body, Judged)}
            assert [judged[each].rules for each in inspections] == list(names)
            assert judged[inspections[0]].rules_sha256 != judged[inspections[1]].rules_sha256

    asyncio.run(use())


@pytest.mark.parametrize("lost", [False, True])
def test_rules_hold_again_after_a_restart_also_without_the_index(lost: bool, tmp_path: Path) -> None:
    vins = [f"LTEST1A27R000000{n}" for n in range(4)]

    async def use() -> dict[str, str]:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            for n, body in enumerate((None, lite_rules("lite 1"), lite_rules("lite 2"), b"{}")):
                if body is not None:
                    tell(edge, database, registry, "rules", body, f"v{n}")
                    await directed(edge, pull, n)
                await edge.order(f"k{n}", vehicle=vehicle(vins[n], None))
            return rules_of(edge.desk)

    held = asyncio.run(use())
    installed = held[vins[0]]
    assert held == dict(zip(vins, (installed, "lite 1", "lite 2", installed), strict=True))

    async def again() -> None:
        (index,) = tmp_path.rglob(INDEX)
        if lost:
            index.unlink()
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            assert rules_of(edge.desk) == held
            assert edge.desk.reference.through == 3 and "reference" not in edge.desk.alarms
            tell(edge, database, registry, "rules", lite_rules("lite 4"), "v4")
            await directed(edge, pull, 4)
            assert edge.desk.rules.now().name == "lite 4" and rules_of(edge.desk) == held

    asyncio.run(again())


def test_rules_that_leave_out_an_open_vehicle_stop_no_lane_but_new_orders(tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            inspection = await edge.order()
            await edge.arrive(inspection)
            tell(edge, database, registry, "rules", lite_rules("no periodic", "registration"))
            (taken,) = await directed(edge, pull, 1)
            assert taken.outcome == "taken", taken.why
            await Marshal(edge.desk, edge.desk.site.lanes[0], LaneDevices(), "run")._round()
            assert (await edge.detail(inspection))["missing"]
            post = {"key": "k2", "vehicle": vehicle("LTEST1A27R0000002", None), "business": "periodic"}
            refused = await edge.client.post("/api/v1/orders", json=post | {"ordered_by": "clerk"})
            assert refused.json()["type"] == "urn:chayan:problem:no-rules"

    asyncio.run(use())


# ---- damage --------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["gone", "flipped"])
def test_damaged_rules_take_no_order_until_the_centre_has_given_the_same_bytes_again(
    how: str, tmp_path: Path
) -> None:
    async def first() -> Path:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            tell(edge, database, registry, "blacklist", black(vin="LTEST1A27R0000009"))
            tell(edge, database, registry, "rules", lite_rules("lite"), "r")
            await directed(edge, pull, 2)
            taken = edge.desk.reference.current("rules")
            assert taken is not None
            return edge.desk.reference.folder / taken.sha256

    path = asyncio.run(first())
    path.unlink() if how == "gone" else path.write_bytes(path.read_bytes()[:-1] + b" ")

    async def again() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            assert "rules r" in edge.desk.alarms["reference"].en
            with pytest.raises(RuleError, match="damaged"):
                edge.desk.rules.now()
            post = json.loads(order())
            assert (await edge.client.post("/api/v1/orders", json=post)).status_code == 422
            assert edge.desk.blacklist.version == "v1", "what is whole stays in force"
            tell(edge, database, registry, "blacklist", black(version="v2"), "v2")
            await directed(edge, pull, 3)
            assert "reference" not in edge.desk.alarms
            assert edge.desk.rules.now().name == "lite"
            assert (await edge.client.post("/api/v1/orders", json=post)).status_code == 201

    asyncio.run(again())


def test_an_index_of_another_journal_is_not_believed(tmp_path: Path) -> None:
    async def taken(folder: Path, subject: str, body: bytes) -> Path:
        folder.mkdir()
        async with centre_and_node(sqlite_at(folder), folder) as (edge, database, registry, pull):
            tell(edge, database, registry, subject, body)
            await directed(edge, pull, 1)
            return edge.desk.reference.folder / INDEX

    mine = asyncio.run(taken(tmp_path / "mine", "blacklist", black(vin="LTEST1A27R0000001")))
    other = asyncio.run(taken(tmp_path / "other", "rules", lite_rules("lite")))
    mine.write_bytes(other.read_bytes())

    async def again() -> None:
        async with edge_at(tmp_path / "mine") as edge:
            assert edge.desk.reference.current("rules") is None
            assert edge.desk.blacklist.version == "v1" and not edge.desk.alarms

    asyncio.run(again())


def test_a_list_that_this_version_cannot_read_is_told_and_stops_no_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            tell(edge, database, registry, "blacklist", black(vin="LTEST1A27R0000009"))
            await directed(edge, pull, 1)

    def older(_: bytes) -> None:
        raise msgspec.ValidationError("unknown field")

    asyncio.run(use())
    monkeypatch.setattr("edge.desk.parse", older)

    async def again() -> None:
        async with edge_at(tmp_path) as edge:
            assert "blacklist v1" in edge.desk.alarms["reference"].en
            await edge.order()

    asyncio.run(again())


# ---- thresholds ----------------------------------------------------------------------------------


def test_the_review_process_judges_by_the_centres_thresholds_and_says_so(tmp_path: Path) -> None:
    photo = car_photo("浙A12345")
    limits = msgspec.structs.replace(catalog().thresholds.quality, blurred_scene=9.0)
    lines = [f"{key} = {json.dumps(value)}" for key, value in msgspec.structs.asdict(limits).items()]
    body = "\n".join(["[thresholds.quality]", *lines]).encode()

    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            app = build_api(edge.desk, Acts(edge.desk), Links({}), TOKEN, None)
            headers = {"Authorization": f"Bearer {TOKEN}"}
            transport = httpx.ASGITransport(app=app)
            async with httpx.AsyncClient(
                transport=transport, base_url="http://e.test", headers=headers
            ) as client:
                reviewer = Reviewer()
                assert (await client.get("/api/v1/reviews/models")).status_code == 404
                before = reviewer.quality(photo)
                tell(edge, database, registry, "models", body)
                await directed(edge, pull, 1)
                digest = (await client.get("/api/v1/reviews/due")).json()["models"]
                await take_thresholds(client, reviewer, digest)
                after = reviewer.quality(photo)
                assert (before.opinion, before.model) == ("agree", "quality-1")
                assert (after.opinion, after.reasons) == ("disagree", ("blurred",))
                assert after.model == f"quality-1 thresholds {digest[:8]}"
                await take_thresholds(client, reviewer, "")
                assert reviewer.quality(photo).model == "quality-1"

    asyncio.run(use())


CLAIM = "disagree = 1.0\nclear = -1.0\nreadable = 0.5\nchosen_on = ''"


@pytest.mark.parametrize(
    "text",
    [
        "[thresholds.plate]\nagree = 1.0",
        "[thresholds.colour]\nagree = 1.0",
        f"[thresholds.vin]\nagree = nan\nsure = 1.0\n{CLAIM}",
        f"[thresholds.vin]\nagree = 1.0\nsure = 1.5\n{CLAIM}",
        '[weights.lines-v6]\npackage = ""\nversion = ""\npath = ""\nsha256 = "00"\ntask = ""\ninput = ""\n'
        'labels = ""\nlicence = ""\ncard = ""',
        "[",
    ],
)
def test_thresholds_that_cannot_be_used_are_refused(text: str) -> None:
    with pytest.raises(WeightsError):
        overridden(text.encode())


def test_the_installed_catalog_itself_changes_nothing() -> None:
    content = (ROOT / "models" / "catalog.toml").read_bytes()
    assert overridden(content) == overridden(b"") == catalog().thresholds


# ---- site files ----------------------------------------------------------------------------------


def other_site(edge: Edge, change: Callable[[str], str]) -> bytes:
    return change(site_path(edge).read_text("utf-8")).encode()


def test_a_site_file_lies_ready_until_the_node_runs_with_it(tmp_path: Path) -> None:
    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            new = other_site(edge, lambda text: text + "\n[disk]\nwarn_mb = 5000\n")
            before = site_path(edge).read_bytes()
            tell(edge, database, registry, "configuration", new)
            await directed(edge, pull, 1, "configuration")
            ready = edge.desk.reference.folder / NEXT_FILE
            assert ready.read_bytes() == new and site_path(edge).read_bytes() == before
            alarms = (await edge.client.get("/api/v1/board")).json()["alarms"]
            assert any("chayan check" in each["zh"] and str(ready) in each["zh"] for each in alarms)

    asyncio.run(use())

    async def again() -> None:
        async with edge_at(tmp_path) as edge:
            path, ready = site_path(edge), edge.desk.reference.folder / NEXT_FILE
            tell_configuration(edge.desk, path)
            assert "configuration" in edge.desk.alarms, "a restart with the old file tells it again"
            path.write_bytes(ready.read_bytes())
            tell_configuration(edge.desk, path)
            assert "configuration" not in edge.desk.alarms and not ready.exists()

    asyncio.run(again())


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('id = "virtual-site"', 'id = "other-site"', "site.id = other-site"),
        ('name = "virtual-node-1"', 'name = "virtual-node-2"', "node.name = virtual-node-2"),
        ('name = "virtual-node-1"', 'name = "virtual-node-1"\nsignature = "sm2"', "node.signature = sm2"),
        ("[broker]", "[brokers]", "unknown key 'brokers'"),
    ],
)
def test_a_site_file_of_another_node_or_a_wrong_one_is_refused(
    old: str, new: str, said: str, tmp_path: Path
) -> None:
    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            assert old in site_text(tmp_path, Ports(1883, 0, 8600, 8700), {"1": "tcp://a:1"})
            tell(edge, database, registry, "configuration", other_site(edge, lambda t: t.replace(old, new)))
            (refused,) = await directed(edge, pull, 1)
            assert refused.outcome == "refused" and said in refused.why
            assert not (edge.desk.reference.folder / NEXT_FILE).exists()

    asyncio.run(use())


# ---- a neighbour's ---------------------------------------------------------------------------------


def test_what_was_pulled_for_another_node_is_not_taken(tmp_path: Path) -> None:
    """A registry, or somebody between, hands over what is signed for a neighbour."""

    async def use() -> None:
        async with centre_and_node(sqlite_at(tmp_path), tmp_path) as (edge, database, registry, pull):
            tell(edge, database, registry, "order", order())
            (mine,) = await pull.after(0, 0)
            stranger = Pull(pull._client, "virtual-site", "virtual-node-9", pull._signer, registry.public)
            with pytest.raises(Exception, match="not signed by the key"):
                stranger._must_hold(mine, 1)

    asyncio.run(use())
