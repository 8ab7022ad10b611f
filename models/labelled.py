"""A folder of labelled photos: ``labels.csv`` and the files it names; what is wrong with either, in words."""

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TypeAlias, get_args

from models.attacks import spelled

Kind: TypeAlias = Literal["plates_full", "plates_crop", "vin"]
KINDS: tuple[Kind, ...] = get_args(Kind)
LABELS = "labels.csv"
NEEDED: Mapping[Kind, tuple[str, ...]] = {
    "plates_full": ("file", "label", "colour"),
    "plates_crop": ("file", "label", "colour"),
    "vin": ("file", "label", "subset"),
}
VIN_LENGTH = 17


class FolderError(Exception):
    """A folder cannot be evaluated; the text names file and column, and how to mend it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One line of ``labels.csv``. ``classes``: what it counts for; ``wrong``: why it cannot be asked.

    ``others``: further texts that the photo shows rightly, such as the plates of other vehicles.
    """

    line: int
    file: str
    label: str
    classes: tuple[str, ...]
    others: tuple[str, ...] = ()
    wrong: str = ""


@dataclass(frozen=True, kw_only=True, slots=True)
class Labelled:
    """A folder, its kind, and its rows in the order of the file."""

    folder: Path
    kind: Kind
    rows: tuple[Row, ...]

    @property
    def question(self) -> Literal["plate", "vin"]:
        """What its photos are asked."""
        return "vin" if self.kind == "vin" else "plate"


def labelled(folder: Path, kind: Kind | None = None) -> Labelled:
    """Reads ``labels.csv`` of a folder; its kind is told by its columns unless given. Raises FolderError."""
    path = folder / LABELS
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise FolderError(
            f"{path}: there is no such file; put a {LABELS} with the columns file, label and colour (plates) "
            "or subset (VINs) beside the photos"
        ) from None
    except UnicodeDecodeError as error:
        raise FolderError(f"{path}: is not UTF-8 (byte {error.start}); save it again as CSV UTF-8") from error
    except OSError as error:
        raise FolderError(f"{path}: cannot be read: {error.strerror}") from error
    reader = csv.DictReader(text.splitlines())
    try:
        columns = [column.strip() for column in reader.fieldnames or ()]
        reader.fieldnames = columns
        cells = [(reader.line_num, each) for each in reader]
    except csv.Error as error:
        raise FolderError(f"{path}: line {reader.line_num + 1}: is no CSV: {error}") from error
    known = kind or _kind(path, columns)
    if missing := [column for column in NEEDED[known] if column not in columns]:
        raise FolderError(
            f"{path}: line 1 lacks the column {' and '.join(missing)}; a folder of kind {known} needs "
            f"{', '.join(NEEDED[known])}, and has {', '.join(columns) or 'none'}"
        )
    if not cells:
        raise FolderError(f"{path}: has no row below its heading; write one line a photo")
    return Labelled(
        folder=folder, kind=known, rows=tuple(_row(folder, known, line, each) for line, each in cells)
    )


def _kind(path: Path, columns: list[str]) -> Kind:
    """VINs have a ``subset``; plates a ``colour``, and those of whole photos a ``layout`` or ``box`` too."""
    if "subset" in columns:
        return "vin"
    if "colour" in columns:
        return "plates_full" if {"layout", "box", "others"} & set(columns) else "plates_crop"
    raise FolderError(
        f"{path}: line 1 has neither the column colour (plates) nor subset (VINs), only "
        f"{', '.join(columns) or 'nothing'}; add it; its cells may be empty"
    )


def _row(folder: Path, kind: Kind, line: int, cells: Mapping[str, str | None]) -> Row:
    said = {name: (value or "").strip() for name, value in cells.items() if isinstance(value, str)}
    question: Literal["plate", "vin"] = "vin" if kind == "vin" else "plate"
    label = spelled(question, said.get("label", ""))
    sort = said.get("subset" if kind == "vin" else "colour", "")
    layers = said.get("layout", "")
    others = tuple(spelled(question, each) for each in re.split(r"[|;\s]+", said.get("others", "")) if each)
    return Row(
        line=line,
        file=said.get("file", ""),
        label=label,
        classes=tuple(name for name in (sort, layers if layers != "single" else "") if name),
        others=others,
        wrong=_wrong(folder, question, said.get("file", ""), label),
    )


def _wrong(folder: Path, question: str, file: str, label: str) -> str:
    """Why a row cannot be asked; empty: nothing. Whether its photo can be read is seen when it is."""
    if not file:
        return "the cell file is empty; name the photo"
    if not (folder / file).resolve().is_relative_to(folder.resolve()):
        return f"file {file!r} lies outside the folder; put the photo into it"
    if not label:
        return "the cell label is empty; write what the photo shows"
    if question == "vin" and len(label) != VIN_LENGTH:
        return f"label {label!r} has {len(label)} characters; a VIN has {VIN_LENGTH}"
    return ""
