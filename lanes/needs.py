"""Rows of checklists.toml: items, shots and artefacts a vehicle needs; whom these lists are not for."""

from typing import Literal, TypeAlias

from lanes.scope import Scope

ItemKind: TypeAlias = Literal["check", "instrument", "group", "review", "derived"]
Question: TypeAlias = Literal["plate", "vin", "quality", "rubbing"]
Wanted: TypeAlias = Literal["required", "optional", "none"]


class ItemNeed(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, item. ``none`` takes an item out for a narrower scope.

    ``writes_value``: the officer writes the determined value, not just a tick. ``may_not_apply``: the officer
    may mark a required item as not applicable.
    """

    item: str
    need: Wanted = "required"
    writes_value: bool = False
    may_not_apply: bool = False


class ShotNeed(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, shot. ``questions``: what a model must be asked about the photo.

    ``with_item``: asked for only where that item, or one of that group, is required.
    """

    shot: str
    need: Wanted = "required"
    questions: tuple[Question, ...] = ()
    with_item: str = ""


class ArtefactNeed(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, artefact: what the form needs beside items and photos."""

    artefact: str
    need: Wanted = "required"


class Outside(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of checklists.toml, outside: whom these lists are not for, and why; ``why_zh`` in Chinese."""

    why: str
    why_zh: str = ""
