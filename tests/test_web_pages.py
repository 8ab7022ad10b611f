"""The pages in a real browser, against made-up answers of both APIs (web/mock)."""

import json
import shutil
import subprocess
from pathlib import Path

import pytest

import hatch_build

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
SCENARIOS = ["board", "long", "typed", "languages", "watchdog", "office", "inspection", "officer"]
PATIENCE_S = 200


@pytest.fixture(scope="module")
def node() -> hatch_build.Node:
    found = hatch_build.need_node()
    hatch_build.install_packages(ROOT, found)
    hatch_build.build_pages(ROOT)
    return found


@pytest.fixture(scope="module")
def chromium() -> str:
    found = shutil.which("chromium")
    assert found, "the page tests need Chromium on the PATH (Debian: apt install chromium fonts-noto-cjk)"
    return found


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_pages(scenario: str, node: hatch_build.Node, chromium: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [
            node.node,
            ROOT / "web" / "tests" / "pages.mjs",
            scenario,
            f"--chromium={chromium}",
            f"--profile={tmp_path / 'profile'}",
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    told = json.loads(done.stdout.strip().splitlines()[-1]) if done.stdout.strip() else {"why": done.stderr}
    assert done.returncode == 0 and told == {"scenario": scenario, "ok": True}, told.get("why")


def test_every_scenario_is_run() -> None:
    source = (ROOT / "web" / "tests" / "pages.mjs").read_text()
    body = source.split("const SCENARIOS = {", 1)[1].split("\n};", 1)[0]
    names = [
        line.split("async ", 1)[1].split("(")[0] for line in body.splitlines() if line.startswith("  async ")
    ]
    assert names == SCENARIOS
