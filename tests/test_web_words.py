"""The pages know every kind of station, and have words for every record kind and quantity."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest

from edge.rulebook import read_rulebook
from lanes.layout import ROLES
from lanes.record import AnyBody

WEB = Path(__file__).parents[1] / "web" / "src"


def test_the_pages_know_every_kind_of_station() -> None:
    (told,) = re.findall(r"export type StationKind = (.*);", (WEB / "api.ts").read_text("utf-8"))
    assert re.findall(r'"(\w+)"', told) == list(ROLES)


@pytest.mark.parametrize("language", ["zh-CN", "en"])
def test_every_code_has_a_word(language: str) -> None:
    words = json.loads((WEB / "messages" / f"{language}.json").read_text("utf-8"))
    wanted = {f"record.{body.__struct_config__.tag}" for body in get_args(AnyBody)}
    wanted |= {f"kind.{kind}" for kind in ROLES}
    reasons = (WEB.parents[1] / "docs" / "models.md").read_text("utf-8").split("| reason | means |")[1]
    told = [line.split("|")[1] for line in reasons.split("\n\n")[0].splitlines()[2:]]
    wanted |= {f"reason.{code}" for cell in told for code in re.findall(r"`(\w+)`", cell)}
    wanted |= {f"quantity.{code}" for code in read_rulebook().names["quantities"]}
    assert wanted - set(words) == set()
