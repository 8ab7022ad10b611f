"""Rules that lead to a verdict beside limits and checklists: suspicion and re-inspection (verdicts.toml)."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from lanes.needs import Question
from lanes.scope import Positive, Scope, must_be_ordered
from lanes.tables import Document, NameRow, by_code, must_know, rows

ANY = "*"
FINDINGS = ("whole", "train", "headlamps", "plate", "vin")  # items of findings that stand on no checklist


class SignRow(NameRow, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of sign: a sign of suspicion. ``proposed_by``: on which question a model may propose it."""

    proposed_by: Question | None = None


class Again(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of again: what a failed item brings with it; ``*``: what is done again in any case."""

    item: str
    brings: tuple[str, ...]


class Standing(Scope, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One row of stands: how many days a passed item stands."""

    days: Positive


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdicts:
    """The tables of verdicts.toml; an edition from before it has none."""

    signs: Mapping[str, SignRow] = field(default_factory=dict)
    again: tuple[Again, ...] = ()
    stands: tuple[Standing, ...] = ()

    @classmethod
    def from_tables(
        cls,
        docs: Mapping[str, Document],
        again: list[tuple[str, Again]],
        stands: list[tuple[str, Standing]],
        codes: Collection[str],
        sources: Collection[str],
    ) -> "Verdicts":
        """From parsed files and their scoped rows; ``codes``: items and shots. Raises RuleError."""
        signs = rows(docs, "verdicts", "sign", SignRow)
        for label, sign in signs:
            must_know(label, "source", sign.source.split(), sources)
        for label, row in again:
            must_know(label, "item", [row.item], {*codes, *FINDINGS, ANY})
            must_know(label, "brings", row.brings, {*codes, *FINDINGS})
        must_be_ordered(stands, "verdicts.toml, stands")
        return cls(
            signs=by_code(signs, lambda row: row.code),
            again=tuple(row for _, row in again),
            stands=tuple(row for _, row in stands),
        )
