"""One JSON line a photo; a bad file is named in its line and the others go on."""

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from benchmarks.parts.strikes import photographed, rubbed, struck
from edge.__main__ import app as chayan
from models.cli import review_photos
from models.images import decode, encode
from models.stages import STAGES
from tests.models_parts import car_photo, label_photo


def reviewed(question: Any, paths: list[Path], expect: str | None) -> tuple[int, list[dict[str, Any]]]:
    out = io.StringIO()
    status = review_photos(question, paths, expect, out)
    return status, [json.loads(line) for line in out.getvalue().splitlines()]


def test_bad_files_are_told_and_the_others_go_on(tmp_path: Path) -> None:
    good, text, cut, empty, bomb = (tmp_path / name for name in ("a.jpg", "b.jpg", "c.jpg", "d.jpg", "e.png"))
    good.write_bytes(car_photo("浙A12345"))
    text.write_text("no photo")
    cut.write_bytes(good.read_bytes()[:20_000])
    empty.write_bytes(b"")
    Image.new("1", (20_000, 20_000)).save(bomb)
    missing = tmp_path / "missing.jpg"
    paths = [text, cut, empty, bomb, missing, tmp_path, good]
    status, lines = reviewed("plate", paths, "浙A12345")
    assert status == 1
    assert [line["file"] for line in lines] == [str(path) for path in paths]
    reasons = ("no image", "cut short", "0 bytes", "megapixels", "no such file", "directory")
    for line, path, reason in zip(lines, paths, reasons, strict=False):
        assert set(line) == {"file", "error"}
        assert str(path) in line["error"]
        assert reason in line["error"]
    assert (lines[-1]["text"], lines[-1]["agree"]) == ("浙A12345", True)


def test_good_files_give_status_0_and_every_field(tmp_path: Path) -> None:
    photo = tmp_path / "label.jpg"
    photo.write_bytes(label_photo("LTEST8N76HT132923"))
    status, (line,) = reviewed("vin", [photo], "LTEST8N76HT132928")
    assert status == 0
    assert (line["text"], line["expected"], line["agree"]) == (
        "LTEST8N76HT132923",
        "LTEST8N76HT132928",
        False,
    )
    assert line["score"] < 0 < line["confidence"] <= 1
    assert [each["c"] for each in line["characters"]] == list("LTEST8N76HT132923")
    assert {"plate_type", "box", "ms", "model", "reasons", "probability"} <= set(line)
    assert set(line["stages_ms"]) == set(STAGES)
    _, (unclaimed,) = reviewed("vin", [photo], None)
    assert (unclaimed["agree"], unclaimed["score"], unclaimed["expected"]) == (None, None, None)


@pytest.mark.parametrize(("seed", "answer"), [(1, "same"), (7, "restamped")])
def test_a_rubbing_is_held_against_a_photo_with_a_picture_of_what_differs(
    tmp_path: Path, seed: int, answer: str
) -> None:
    film, photo, heat = (tmp_path / name for name in ("film.jpg", "photo.jpg", "heat.png"))
    strikes = [struck("LTEST8N76HT132923", np.random.default_rng(each)) for each in (1, seed)]
    film.write_bytes(encode(rubbed(strikes[0], np.random.default_rng(2))))
    photo.write_bytes(encode(photographed(strikes[1], np.random.default_rng(3))))
    done = CliRunner().invoke(chayan, ["review", "rubbing", str(film), str(photo), "--heat", str(heat)])
    line = json.loads(done.output)
    assert done.exit_code == 0
    assert (line["answer"], line["text"], line["heat"]) == (answer, "LTEST8N76HT132923", str(heat))
    assert [each["c"] for each in line["characters"]] == list("LTEST8N76HT132923")
    picture = decode(heat.read_bytes())
    redness = float(picture[:, :, 2].mean() - picture[:, :, 0].mean())
    assert redness > 0 and picture.shape[1] > 1200


def test_a_rubbing_that_cannot_be_compared_is_told_by_name(tmp_path: Path) -> None:
    film, empty, text = (tmp_path / name for name in ("film.jpg", "empty.jpg", "text.jpg"))
    film.write_bytes(
        encode(rubbed(struck("LTEST8N76HT132923", np.random.default_rng(1)), np.random.default_rng(2)))
    )
    empty.write_bytes(encode(np.full((200, 900, 3), 230, np.uint8)))
    text.write_text("no photo")
    run = CliRunner()
    heat = ["--heat", str(tmp_path / "heat.png")]
    line = json.loads(run.invoke(chayan, ["review", "rubbing", str(film), str(empty), *heat]).output)
    assert (line["answer"], line["reasons"], line["heat"]) == ("unsure", ["no_text"], None)
    for reference, options in ((text, heat), (tmp_path / "none.jpg", heat)):
        done = run.invoke(chayan, ["review", "rubbing", str(film), str(reference), *options])
        assert done.exit_code == 1 and str(reference) in json.loads(done.output)["error"]
    nowhere = ["--reference-is", "rubbing", "--heat", str(tmp_path / "none" / "heat.png")]
    done = run.invoke(chayan, ["review", "rubbing", str(film), str(film), *nowhere])
    assert done.exit_code == 1 and "none/heat.png" in json.loads(done.output)["error"]
