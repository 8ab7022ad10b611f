"""Reads the dated tables of rules, installed or sent by the centre; ``lanes`` validates them."""

import tomllib
from collections.abc import Mapping
from functools import lru_cache
from importlib.resources import files
from pathlib import Path

import msgspec

from edge.reference import Reference, Taken
from lanes.rulebook import Rulebook
from lanes.scope import RuleError

PARSED = 8  # rulebooks kept in memory: those of open inspections


class RulesError(Exception):
    """A rules file cannot be read or is wrong; the text names file, table and row."""


def default_folder() -> Path:
    """Where the rules that came with this installation lie."""
    return Path(str(files("configs"))) / "rules"


def read_rulebook(folder: Path | None = None) -> Rulebook:
    """The rulebook of a folder of TOML files, each one table set named by its file. Raises RulesError."""
    folder = folder or default_folder()
    try:
        texts = {path.name: path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.toml"))}
    except (OSError, UnicodeDecodeError) as error:
        raise RulesError(f"{folder}: {error}") from error
    return _rulebook(str(folder), texts)


def pack(folder: Path) -> bytes:
    """A folder of rules as one body, ``{"limits.toml": "…"}``; raises RulesError for wrong ones."""
    read_rulebook(folder)
    texts = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.toml")}
    return msgspec.json.encode(texts, order="deterministic")


def unpack(content: bytes) -> Rulebook | None:
    """The rulebook of such a body; None for ``{}``: those installed. Raises RulesError."""
    try:
        texts = msgspec.json.decode(content, type=dict[str, str])
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise RulesError(f"no rules: {error}") from error
    return _rulebook("rules", texts) if texts else None


def _rulebook(where: str, texts: Mapping[str, str]) -> Rulebook:
    tables: dict[str, object] = {}
    for name, text in texts.items():
        if not name.endswith(".toml"):
            raise RulesError(f"{where}: {name!r} is no file of rules (*.toml)")
        try:
            tables[name.removesuffix(".toml")] = tomllib.loads(text)
        except (tomllib.TOMLDecodeError, RecursionError) as error:
            raise RulesError(f"{where}/{name}: {error}") from error
    if not tables:
        raise RulesError(f"{where}: no rules (*.toml) there")
    try:
        return Rulebook.from_tables(tables)
    except RuleError as error:
        raise RulesError(f"{where}: {error}") from error


class Rules:
    """Which rulebook holds for what: that in force when its order was recorded, to the end of the visit."""

    def __init__(self, installed: Rulebook, reference: Reference) -> None:
        self.installed, self._reference = installed, reference
        self._parsed = lru_cache(PARSED)(self._read)

    def now(self) -> Rulebook:
        """The rulebook for a new order; raises RuleError while what the centre sent cannot be read."""
        taken = self._reference.current("rules")
        found = self.installed if taken is None else self._parsed(taken)
        if found is None:
            raise RuleError(f"the rules {taken.version if taken else ''} of the centre are damaged here")
        return found

    def of(self, ordered_seq: int) -> Rulebook:
        """The rulebook of an inspection by the number of its order; damaged ones: those installed."""
        taken = self._reference.at("rules", ordered_seq)
        return (None if taken is None else self._parsed(taken)) or self.installed

    def forget(self) -> None:
        """What was parsed is read again: a file has been mended."""
        self._parsed.cache_clear()

    def _read(self, taken: Taken) -> Rulebook | None:
        content = self._reference.read(taken)
        try:
            return None if content is None else unpack(content) or self.installed
        except RulesError:  # a newer version of this software may want other tables
            return None
