"""rulediff: two rulebooks row by row: what was added, taken out or changed, and for whom."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal

from msgspec import Struct

from lanes.limits import Limit
from lanes.rulewords import Placed, outcome_words, placed, scope_words
from lanes.scope import Scope
from lanes.tables import Label

if TYPE_CHECKING:
    from lanes.rulebook import Rulebook

_HOW_SURE = ("source", "confidence")


class Change(Struct, frozen=True, kw_only=True):
    """One row that differs: for whom it is, what it said, what it says; empty: it was or is not there."""

    what: Literal["added", "removed", "changed", "source"]
    table: str
    code: str
    scope: Label
    before: Label | None = None
    after: Label | None = None


def changes(before: "Rulebook", after: "Rulebook") -> tuple[Change, ...]:
    """What differs between two rulebooks, in the order of their files; the order of rows does not count."""
    old = {_key(each): each for each in placed(before)}
    new = {_key(each): each for each in placed(after)}
    return (
        *(
            _changed(old[key], each, before, after)
            for key, each in new.items()
            if _differs(old.get(key), each)
        ),
        *(
            Change(
                what="added",
                table=each.table,
                code=each.code,
                scope=scope_words(each.row, after),
                after=outcome_words(each.row, after),
            )
            for key, each in new.items()
            if key not in old
        ),
        *(
            Change(
                what="removed",
                table=each.table,
                code=each.code,
                scope=scope_words(each.row, before),
                before=outcome_words(each.row, before),
            )
            for key, each in old.items()
            if key not in new
        ),
    )


def _key(each: Placed) -> tuple[object, ...]:
    """What makes two rows the same one: table, code, and for whom it is."""
    columns = [name for name in Scope.__struct_fields__ if name not in _HOW_SURE]
    if isinstance(each.row, Limit):
        columns += ["condition", "axle", "bench", "load"]
    said = tuple(_order_free(getattr(each.row, name)) for name in columns)
    # rows of one table without a code may share a scope: then they are told apart by what they say
    return (each.table, each.code, said) if each.code else (each.table, said, _outcome(each))


def _order_free(value: object) -> object:
    return frozenset(value) if isinstance(value, tuple) else value


def _outcome(each: Placed) -> tuple[object, ...]:
    own = [name for name in each.row.__struct_fields__ if name not in Scope.__struct_fields__]
    return tuple(getattr(each.row, name) for name in own)


def _differs(old: Placed | None, new: Placed) -> bool:
    return old is not None and (_outcome(old), *_sure(old)) != (_outcome(new), *_sure(new))


def _sure(each: Placed) -> Iterator[str]:
    return (getattr(each.row, name) for name in _HOW_SURE)


def _changed(old: Placed, new: Placed, before: "Rulebook", after: "Rulebook") -> Change:
    if _outcome(old) == _outcome(new):
        said = [f"{each.row.source} ({each.row.confidence})" for each in (old, new)]
        was, now = (Label(zh=text, en=text) for text in said)
        what: Literal["source", "changed"] = "source"
    else:
        was, now, what = outcome_words(old.row, before), outcome_words(new.row, after), "changed"
    return Change(
        what=what, table=new.table, code=new.code, scope=scope_words(new.row, after), before=was, after=now
    )
