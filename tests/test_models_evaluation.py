"""`chayan review eval` on folders that the test renders: figures, JSON, HTML in a browser, wrong input."""

import json
import re
import shutil
import subprocess
import tomllib
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest
from typer.testing import CliRunner

import hatch_build
from edge.__main__ import app
from models import catalog as weights
from models.catalog import CATALOG, WeightsError, candidate, catalog, locate, overridden, trying
from models.figures import Report
from models.labelled import labelled
from models.reviewer import Reviewer
from tests.models_parts import car_photo, label_photo

ROOT = Path(__file__).parents[1]
PLATES = {"a.jpg": ("浙A12345", "blue"), "b.jpg": ("皖AD08815", "green"), "c.jpg": ("京J5167警", "white")}
VINS = ("LTEST8N76HT132923", "LTEST3F63HM055446")


def plate_folder(folder: Path, *more: str) -> Path:
    """Three legible plates; b.jpg is labelled wrongly, as if it were misread; ``more``: further rows."""
    folder.mkdir()
    rows = ["file,label,colour,layout,others"]
    for name, (text, colour) in PLATES.items():
        (folder / name).write_bytes(car_photo(text, colour))
        rows.append(f"{name},{text.replace('08815', '08816')},{colour},single,")
    (folder / "labels.csv").write_text("\n".join([*rows, *more]) + "\n", "utf-8")
    return folder


def run(*words: object) -> tuple[int, str, str]:
    done = CliRunner().invoke(app, ["review", "eval", *map(str, words), "--threads", "1"])
    return done.exit_code, done.stdout, done.stderr


def test_accuracy_claims_verification_time_and_errors_are_told(tmp_path: Path) -> None:
    folder = plate_folder(
        tmp_path / "plates", "none.jpg,浙A00001,blue,double,", "d.jpg,浙A00002,blue,single,"
    )
    (folder / "d.jpg").write_text("no photo")
    page = tmp_path / "report.html"
    status, out, err = run(folder, "--json", "--html", page, "--choose-thresholds", "0.01")
    assert status == 1, "two photos could not be read"
    report = msgspec.json.decode(out, type=Report)
    assert err.splitlines()[-1] == "5/5"
    assert (report.run.kind, report.run.photos, report.run.unreadable) == ("plates_full", 5, 2)
    classes = {each.name: each for each in report.classes}
    assert set(classes) == {"blue", "green", "white", "all"}
    assert (classes["all"].exact.hits, classes["all"].exact.total, classes["green"].exact.hits) == (2, 3, 0)
    assert classes["green"].disagree.hits == 1 and classes["blue"].agree.hits == 1
    ways = {each.way: each for each in report.claims}
    assert set(ways) == {"look_alike", "other", "swap", "two", "province", "neighbour", "all"}
    assert ways["all"].agree.hits == 0 and ways["all"].agree.total > 15
    assert [each.far for each in report.verification] == [0.01, 0.001]
    assert all(each.at.true.hits == 2 and each.at.false.hits == 0 for each in report.verification)
    assert {each.stage: each.p50_ms > 0 for each in report.latency}["total"]
    assert report.run.peak_mb > 50
    assert report.proposal is not None and report.proposal.probability.a > 0
    assert [(each.file, bool(each.wrong)) for each in report.faults] == [
        ("b.jpg", False), ("none.jpg", True), ("d.jpg", True),
    ]  # fmt: skip
    assert (report.faults[0].read, report.faults[0].opinion) == ("皖AD08815", "disagree")
    assert "no such file" in report.faults[1].wrong and "no image" in report.faults[2].wrong


@pytest.mark.slow
def test_the_report_opens_in_a_browser_whole_and_shows_what_was_misread(tmp_path: Path) -> None:
    chromium = shutil.which("chromium")
    assert chromium, "this test needs Chromium on the PATH (Debian: apt install chromium fonts-noto-cjk)"
    node = hatch_build.need_node()
    hatch_build.install_packages(ROOT, node)
    page = tmp_path / "report.html"
    folder = plate_folder(tmp_path / "plates", "none.jpg,<b>浙A00001,blue,double,")
    run(folder, "--html", page, "--choose-thresholds", "0.01")
    seen = [
        node.node,
        ROOT / "web/tests/report.mjs",
        page,
        f"--chromium={chromium}",
        f"--profile={tmp_path}/p",
    ]
    done = subprocess.run(seen, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["complaints"] == [] and told["asked"] == [], "it asks for nothing from elsewhere"
    assert told["sections"][:3] == ["run", "accuracy", "claims"] and told["sections"][-1] == "faults"
    assert len(told["sections"]) == 9
    assert (told["faults"], told["pictures"], told["broken"]) == (2, 2, 0)
    assert told["marked"] == ["5"], "皖AD08815 was read where the label says 6"
    assert told["doubtful"] >= 1 and told["wide"] <= 0
    assert "各类准确率" in told["words"] and "Accuracy by class" in told["words"]


def test_a_folder_of_vins_is_told_by_its_columns_and_reported_in_words(tmp_path: Path) -> None:
    for name, vin in zip(("a.jpg", "b.jpg"), VINS, strict=True):
        (tmp_path / name).write_bytes(label_photo(vin))
    text = f"\ufefffile,label,subset\na.jpg,{VINS[0].lower()},easy\nb.jpg,{VINS[1]},hard\n"
    (tmp_path / "labels.csv").write_text(text, "utf-8")
    status, out, _ = run(tmp_path, "--seed", "3")
    assert status == 0, out
    assert "全部 all (2): 首读正确 read first 100.0% [34.2%, 100.0%]" in out
    assert "错误与存疑 Errors and doubts: 0" in out and "同系列邻号 next of the series (10)" in out
    status, out, _ = run(tmp_path, "--choose-thresholds", "0.001")
    proposed = out[out.index("[thresholds.vin]") : out.index("错误与存疑")]
    told = tomllib.loads(proposed)["thresholds"]["vin"]
    assert set(told) == {"agree", "disagree", "probability"} and told["probability"]["a"] > 0
    assert "too few claims to prove that rate" in proposed
    status, out, _ = run(tmp_path, "--every", "2", "--json")
    assert (status, json.loads(out)["run"]["photos"]) == (0, 1)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "no such file"),
        (b"file,label\na.jpg,x\n", "neither the column colour (plates) nor subset (VINs)"),
        (b"file,colour\na.jpg,blue\n", "line 1 lacks the column label"),
        (b"", "neither the column"),
        (b"file,label,colour\n", "has no row below its heading"),
        ("file,label,colour\na.jpg,浙A1,蓝\n".encode("gb18030"), "is not UTF-8"),
        (b'file,label,colour\na.jpg,"x\n' + b"y" * 200_000 + b'",blue\n', "line 2: is no CSV"),
        (b"file,label," + b"y" * 200_000 + b"\n", "is no CSV"),
    ],
)
def test_a_folder_that_cannot_be_evaluated_is_one_clear_error(
    tmp_path: Path, content: bytes | None, said: str
) -> None:
    if content is not None:
        (tmp_path / "labels.csv").write_bytes(content)
    status, out, err = run(tmp_path)
    assert (status, out) == (2, "")
    assert said in err and str(tmp_path / "labels.csv") in err and len(err.splitlines()) == 1


def test_a_wrong_row_is_told_with_its_line_and_the_others_go_on(tmp_path: Path) -> None:
    (tmp_path / "labels.csv").write_text(
        "file,label,subset\n,LTEST8N76HT132923,easy\n../x.jpg,LTEST8N76HT132923,easy\nc.jpg,,easy\n"
        "d.jpg,LTEST,easy\ne.jpg\nf.jpg,LTEST8N76HT132923,easy,more\n",
        "utf-8",
    )
    rows = labelled(tmp_path).rows
    assert [row.line for row in rows] == [2, 3, 4, 5, 6, 7]
    said = (
        "cell file is empty",
        "outside the folder",
        "cell label is empty",
        "has 5 characters",
        "label is empty",
        "",
    )
    for row, why in zip(rows, said, strict=True):
        assert why in row.wrong and bool(why) == bool(row.wrong)
    status, out, _ = run(tmp_path, "--json")
    faults = json.loads(out)["faults"]
    assert (status, [each["line"] for each in faults]) == (1, [2, 3, 4, 5, 6, 7])


def test_what_cannot_be_used_is_told_before_the_work(tmp_path: Path) -> None:
    folder = plate_folder(tmp_path / "plates")
    for words, said in (
        (("--html", tmp_path / "no" / "r.html"), "--html"),
        (("--candidate", "nobody"), "candidate 'nobody' is not in"),
        (("--candidate", tmp_path / "none.toml"), "none.toml: cannot be used"),
        (("--kind", "vin"), "lacks the column subset"),
    ):
        status, _, err = run(folder, *words)
        assert status == 2 and said in err and len(err.splitlines()) == 1, err


def test_a_candidate_is_evaluated_in_place_of_the_catalog(tmp_path: Path) -> None:
    folder, file = plate_folder(tmp_path / "plates"), tmp_path / "strict.toml"
    file.write_text(strict("plate"), "utf-8")
    status, out, _ = run(folder, "--candidate", file, "--json")
    report = json.loads(out)
    assert (status, report["run"]["agree_from"], report["run"]["candidate"]) == (0, 900.0, str(file))
    assert report["classes"][-1]["agree"]["hits"] == 0, "no lead is as long as the candidate wants"
    assert report["classes"][-1]["exact"]["hits"] == 2


def strict(question: str) -> str:
    """A candidate that agrees with nothing, and whose probability is a coin's."""
    return (
        f"[thresholds.{question}]\nagree = 900.0\ndisagree = 3.0\nsure = 0.95\nclear = -4.0\nreadable = 0.5\n"
        f'chosen_on = "nothing"\nprobability = {{a = 0.01, b = 0.0, fitted_on = "nothing"}}\n'
    )


def test_other_weights_of_a_candidate_are_found_beside_its_file_and_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = catalog().weights["reader-v4"]
    fields = {**msgspec.structs.asdict(ours), "package": "", "path": "reader.onnx"}
    file = tmp_path / "other.toml"
    file.write_text(
        "[weights.reader-v4]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in fields.items()), "utf-8"
    )
    photo = car_photo("浙A12345")
    with trying(candidate(str(file))), pytest.raises(WeightsError, match=r"reader\.onnx is not there"):
        Reviewer(1).plate(photo)
    shutil.copy(locate("reader-v4", ours), tmp_path / "reader.onnx")
    monkeypatch.chdir(tmp_path)
    with trying(candidate("other.toml")):
        assert Reviewer(1).plate(photo, "浙A12345").opinion == "agree"
    (tmp_path / "reader.onnx").write_bytes(b"altered")
    with trying(candidate(str(file))), pytest.raises(WeightsError, match=r"reader\.onnx has SHA-256"):
        Reviewer(1).plate(photo)
    file.write_text(file.read_text("utf-8").replace("reader-v4", "reader-v9"), "utf-8")
    with pytest.raises(WeightsError, match="no weight is called reader-v9"):
        candidate(str(file))
    assert catalog().weights["reader-v4"] == ours, "trying ends with its block"


def test_a_claims_probability_follows_its_margin_where_the_catalog_has_a_fit(tmp_path: Path) -> None:
    file = tmp_path / "coin.toml"
    file.write_text(strict("plate"), "utf-8")
    photo = car_photo("浙A12345")
    with trying(candidate(str(file))):
        reviewer = Reviewer(1)
        right, wrong = reviewer.plate(photo, "浙A12345"), reviewer.plate(photo, "浙A12346")
        assert right.probability is not None and wrong.probability is not None
        assert wrong.probability < Decimal("0.5") < right.probability
        assert reviewer.plate(photo).probability is None, "without a claim there is none"


def test_a_candidate_of_the_catalog_is_found_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = strict("plate").replace("[thresholds.plate]", "[candidates.strict.thresholds.plate]")
    content = CATALOG.read_text("utf-8") + "\n" + table
    (tmp_path / "catalog.toml").write_text(content, "utf-8")
    monkeypatch.setattr(weights, "CATALOG", tmp_path / "catalog.toml")
    weights._installed.cache_clear()
    try:
        assert candidate("strict").thresholds.plate.agree == 900
        assert candidate("strict").weights == catalog().weights
        assert overridden(content.encode()) == catalog().thresholds, "candidates override nothing"
        with pytest.raises(WeightsError, match="known: strict"):
            candidate("lenient")
    finally:
        monkeypatch.undo()
        weights._installed.cache_clear()


def test_the_probability_goes_with_the_weights_it_was_fitted_on(tmp_path: Path) -> None:
    ours = catalog().thresholds.plate.probability
    assert ours is not None
    bare = re.sub("probability = .*\n", "", strict("plate"))
    assert overridden(bare.encode()).plate == msgspec.structs.replace(
        overridden(strict("plate").encode()).plate, probability=ours
    ), "thresholds that a centre sends leave it as it is"
    file = tmp_path / "other.toml"
    file.write_text(bare, "utf-8")
    assert candidate(str(file)).thresholds.plate.probability == ours
    weight = msgspec.structs.asdict(catalog().weights["reader-v4"])
    told = "".join(f"{key} = {json.dumps(value)}\n" for key, value in weight.items())
    file.write_text(f"{bare}[weights.reader-v4]\n{told}", "utf-8")
    assert candidate(str(file)).thresholds.plate.probability is None, "other weights need a fit of their own"
