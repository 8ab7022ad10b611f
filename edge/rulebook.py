"""Reads the dated tables of ``configs/rules`` and hands them to ``lanes``, which validates them."""

import tomllib
from importlib.resources import files
from pathlib import Path

from lanes.rulebook import Rulebook
from lanes.scope import RuleError


class RulesError(Exception):
    """A rules file cannot be read or is wrong; the text names file, table and row."""


def default_folder() -> Path:
    """Where the rules that came with this installation lie."""
    return Path(str(files("configs"))) / "rules"


def read_rulebook(folder: Path | None = None) -> Rulebook:
    """The rulebook of a folder of TOML files, each one table set named by its file. Raises RulesError."""
    folder = folder or default_folder()
    tables: dict[str, object] = {}
    for path in sorted(folder.glob("*.toml")):
        try:
            tables[path.stem] = tomllib.loads(path.read_text(encoding="utf-8"))
        except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise RulesError(f"{path}: {error}") from error
    if not tables:
        raise RulesError(f"{folder}: no rules (*.toml) there")
    try:
        return Rulebook.from_tables(tables)
    except RuleError as error:
        raise RulesError(f"{folder}: {error}") from error
