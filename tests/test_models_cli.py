"""One JSON line a photo; a bad file is named in its line and the others go on."""

import io
import json
from pathlib import Path
from typing import Any

from PIL import Image

from models.cli import review_photos
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
