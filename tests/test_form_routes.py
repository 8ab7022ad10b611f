"""Forms over HTTP of node and registry, and from a kept journal by the command line."""

import asyncio
import hashlib
import shutil
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from central_sync.registry.accept import Policy, accept
from central_sync.registry.api import RegistrySettings, build_app
from central_sync.registry.engines import open_engine
from central_sync.registry.schema import prepare
from edge.__main__ import app
from edge.centre import printer
from edge.rulebook import default_folder, pack, unpack
from lanes.record import Judged, NodeStarted, Signed
from tests.central_parts import Lane, Serving, dsn_of, enrolled, settings_for
from tests.edge_parts import Edge, edge_at, site_file
from tests.forms_parts import bare, codes, jpeg, text

FORMS = {"record": "机动车查验记录表", "instruments": "仪器设备检验报告", "photos": "查验照片表"}
PHOTO = jpeg()
DIGEST = hashlib.sha256(PHOTO).hexdigest()


async def inspected(edge: Edge, rules_sha256: str = "0" * 64) -> str:
    """An inspection with one photo, one check and a verdict."""
    started = NodeStarted(version="1", boot="b", site=edge.desk.site.site.id, config_sha256="0" * 64)
    await edge.desk.append("virtual+agent", "started", started)
    inspection = await edge.order()
    await edge.arrive(inspection)
    put = await edge.client.put(f"/api/v1/photos/{DIGEST}", content=PHOTO)
    assert put.status_code == 201
    for key, act in {
        "p": {"kind": "photographed", "shot": "0111", "photo": DIGEST},
        "c": {"kind": "checked", "item": "01", "result": "pass"},
    }.items():
        assert (await edge.act(inspection, key, act)).status_code == 201
    await edge.desk.append("virtual+officer", "s", Signed(officer="officer-01"), inspection)
    last = Judged(verdict="pass", findings=(), rules="r", rules_sha256=rules_sha256)
    await edge.desk.append("virtual+agent", "j", last, inspection)
    return inspection


def at_a_node(folder: Path, use: Callable[[Edge, str], Awaitable[None]], rules_sha256: str = "0" * 64) -> str:
    """A node on ``folder`` with one inspection, which is then left as it is."""

    async def run() -> str:
        async with edge_at(folder) as edge:
            inspection = await inspected(edge, rules_sha256)
            await use(edge, inspection)
            return inspection

    return asyncio.run(run())


async def nothing(_: Edge, __: str) -> None:
    return None


# ---- the node ------------------------------------------------------------------------------------


def test_a_node_prints_every_form(tmp_path: Path) -> None:
    async def use(edge: Edge, inspection: str) -> None:
        seq, head = edge.desk.journal.head()
        for form, title in FORMS.items():
            path = f"/api/v1/inspections/{inspection}/forms/{form}.pdf"
            answer = await edge.client.get(path, params={"by": "值班员"})
            assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
            assert answer.headers["cache-control"] == "private, no-store"
            whole = text(answer.content)
            for words in (title, "浙A·12345", "打印人 by: 值班员", "仿真数据 SIMULATED", head.hex()):
                assert bare(words) in whole, words
            assert "本机没有这张照片" not in whole
            said = codes(answer.content)[0]
            names = (edge.desk.site.site.id, edge.desk.site.node.name, inspection)
            assert said == ":".join(("chayan:record:1", *names, str(seq), head.hex()))

    at_a_node(tmp_path, use)


def test_a_node_says_what_it_cannot_print(tmp_path: Path) -> None:
    async def use(edge: Edge, inspection: str) -> None:
        for path, status, code in (
            (f"{inspection}/forms/receipt.pdf", 404, "no-form"),
            ("nobody/forms/record.pdf", 404, "no-inspection"),
        ):
            answer = await edge.client.get(f"/api/v1/inspections/{path}")
            assert (answer.status_code, answer.json()["type"]) == (status, f"urn:chayan:problem:{code}")
        long = await edge.client.get(
            f"/api/v1/inspections/{inspection}/forms/record.pdf", params={"by": "x" * 81}
        )
        assert long.status_code == 422

    at_a_node(tmp_path, use)


# ---- the command ---------------------------------------------------------------------------------


def chayan(*words: str | Path) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_a_kept_journal_is_printed_and_its_paper_verifies_it(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    inspection = at_a_node(folder, nothing)
    out = tmp_path / "form.pdf"
    done = chayan("print", folder, inspection, "--out", out, "--by", "档案员")
    assert (done.exit_code, done.output.strip()) == (0, str(out))
    whole = text(out.read_bytes())
    for words in ("机动车查验记录表", inspection, "打印人 by: 档案员", "站点 site: virtual-site"):
        assert bare(words) in whole, words
    (said,) = codes(out.read_bytes())
    assert f"agrees with form of {inspection}" in chayan("verify", folder, "--against", said).output
    other = said[:-1] + ("0" if said[-1] != "0" else "1")
    assert f"is not that in form of {inspection}" in chayan("verify", folder, "--against", other).output
    assert chayan("verify", folder, "--against", said[:-1]).exit_code == 2


def test_the_site_file_gives_names_and_the_folder_the_photos(tmp_path: Path) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    inspection = at_a_node(folder, nothing)
    out = tmp_path / "photos.pdf"
    words = ("print", folder / "journal.sqlite", inspection, "--form", "photos", "--out", out)
    assert chayan(*words, "--site", site_file(tmp_path)).exit_code == 0
    assert "模拟查验员一officer-01" in text(out.read_bytes())
    assert "本机没有这张照片" not in text(out.read_bytes())
    shutil.rmtree(folder / "photos")
    assert chayan(*words).exit_code == 0
    assert "本机没有这张照片：尚未送到，或已按保存期限移除" in text(out.read_bytes())
    assert not (folder / "photos").exists()


def test_names_come_from_the_rules_by_which_it_was_judged(tmp_path: Path) -> None:
    rules, folder = tmp_path / "rules", tmp_path / "node"
    shutil.copytree(default_folder(), rules)
    names = rules / "names.toml"
    names.write_text(names.read_text("utf-8").replace("轮胎完好情况", "轮胎完好情况（新版）"), "utf-8")
    content = pack(rules)
    sent = unpack(content)
    assert sent is not None
    folder.mkdir()
    inspection = at_a_node(folder, nothing, sent.rules_sha256)
    (folder / "reference").mkdir()
    (folder / "reference" / hashlib.sha256(b"list").hexdigest()).write_bytes(b"list")
    (folder / "reference" / hashlib.sha256(content).hexdigest()).write_bytes(content)
    out = tmp_path / "form.pdf"
    assert chayan("print", folder, inspection, "--out", out).exit_code == 0
    assert "轮胎完好情况（新版）" in text(out.read_bytes())


def test_without_out_the_file_is_named_after_the_inspection(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "node"
    folder.mkdir()
    inspection = at_a_node(folder, nothing)
    monkeypatch.chdir(tmp_path)
    done = chayan("print", folder, inspection, "--form", "instruments")
    assert done.output.strip() == f"{inspection}-instruments.pdf"
    assert (tmp_path / done.output.strip()).read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("{folder}", "nobody"), "holds no inspection 'nobody'"),
        (
            ("{folder}", "nobody", "--form", "receipt"),
            "--form 'receipt': write one of record, instruments, photos",
        ),
        (("{folder}/photos", "nobody"), "there is no journal.sqlite"),
        (("{folder}", "{inspection}", "--out", "{folder}"), "Is a directory"),
        (("{folder}", "{inspection}", "--site", "{folder}/none.toml"), "cannot be read"),
    ],
)
def test_what_cannot_be_printed_is_said_in_one_line(
    tmp_path: Path, words: tuple[str, ...], said: str
) -> None:
    inspection = at_a_node(tmp_path, nothing)
    done = chayan("print", *(word.format(folder=tmp_path, inspection=inspection) for word in words))
    assert done.exit_code == 1
    assert said in done.output and "Traceback" not in done.output


# ---- the registry --------------------------------------------------------------------------------


def ask(settings: RegistrySettings, *paths: str) -> list[httpx.Response]:
    with Serving(build_app(settings)) as served, httpx.Client(base_url=served.url, timeout=60) as client:
        return [client.get(path) for path in paths]


def test_the_registry_prints_the_same_forms_from_what_it_holds(tmp_path: Path) -> None:
    lane = Lane()
    lane.inspect("a1")
    settings = settings_for(dsn_of("sqlite", tmp_path), tmp_path, lane)
    engine = open_engine(settings.dsn)
    prepare(engine)
    enrolled(engine, lane)
    accept(engine, lane.batch(), Policy(allow_simulated=True))
    engine.dispose()
    form = "/v1/inspections/a1/forms/{}.pdf"
    paths = [form.format(each) for each in FORMS]
    answers = ask(
        replace(settings, printer=printer()),
        *paths,
        form.format("receipt"),
        "/v1/inspections/b/forms/record.pdf",
    )
    assert [answer.status_code for answer in answers] == [200, 200, 200, 404, 404]
    for answer, title in zip(answers, FORMS.values(), strict=False):
        assert title in text(answer.content)
        assert (
            codes(answer.content)[0]
            == f"chayan:record:1:site-1:{lane.node}:a1:{len(lane.rows)}:{lane.head.hex()}"
        )
    assert "本机没有这张照片" in text(answers[2].content)


def test_a_registry_without_printer_has_no_forms(tmp_path: Path) -> None:
    settings = settings_for(dsn_of("sqlite", tmp_path), tmp_path, Lane())
    (answer,) = ask(settings, "/v1/inspections/a1/forms/record.pdf")
    assert answer.status_code == 404
