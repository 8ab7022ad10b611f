"""What new records change in the tables that are searched: one statement a table, for all of them at once.

Where the database refuses a value, or our own code fails, the rest must not wait for it: the records are
halved down to the one that is at fault, each part in a savepoint, and that one is held without what the
office searches by. What keeps the database from working at all goes up, and nothing of the batch is held.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from msgspec.structs import replace

from central_sync.batch import Batch
from central_sync.registry import fold, tables
from central_sync.registry.directives import acknowledge
from central_sync.registry.engines import is_of_a_value
from central_sync.registry.nodes import owned

WAYS: tuple[Callable[[fold.Read, str], fold.Read], ...] = (  # to hold a record at which all else has failed
    lambda row, why: replace(row, unread=why),
    lambda row, why: replace(row.bare(), unread=why),
)


@dataclass(frozen=True, slots=True)
class Holding:
    """The tables for new records of one node, whose row is locked and whose bytes are held."""

    connection: sa.Connection
    batch: Batch

    def hold(self, rows: Sequence[fold.Read]) -> dict[int, str]:
        """Holds ``rows`` in order; number -> why of each that is held, but could not be read."""
        found = self._tried(rows)
        if not isinstance(found, Exception):
            return found
        if len(rows) == 1:
            return self._alone(rows[0], found)
        middle = len(rows) // 2
        return self.hold(rows[:middle]) | self.hold(rows[middle:])

    def _alone(self, row: fold.Read, fault: Exception) -> dict[int, str]:
        """Holds one record with as much as goes; raises when not even its bytes do."""
        why = fold.said(getattr(fault, "orig", None) or fault)  # without SQLAlchemy's frame
        for way in WAYS:
            found = self._tried([way(row, why)])
            if not isinstance(found, Exception):
                return found
        raise fault

    def _tried(self, rows: Sequence[fold.Read]) -> dict[int, str] | Exception:
        """As ``hold``, all of them or none: then what the fault of one of them is."""
        place = self.connection.begin_nested()
        try:
            unread = self._written(rows)
        except (*fold.FAULTS, sa.exc.StatementError) as trouble:
            if isinstance(trouble, sa.exc.StatementError) and not is_of_a_value(trouble):
                raise  # the whole transaction goes, and with it this place
            place.rollback()
            return trouble
        place.commit()
        return unread

    def _written(self, rows: Sequence[fold.Read]) -> dict[int, str]:
        connection, site, node = self.connection, self.batch.site, self.batch.node
        owner = {"site": site, "node": node}
        known = self._summaries({row.inspection for row in rows} - {None})
        folded = fold.fold(site, node, rows, known)
        tables.upsert(connection, tables.inspections, list(known.values()))
        tables.insert_missing(connection, tables.photos, [owner | _photo(photo) for photo in folded.photos])
        acknowledge(connection, site, node, [row for row in rows if row.seq not in folded.unread])
        unread = [owner | {"seq": seq, "why": why} for seq, why in folded.unread.items()]
        tables.insert(connection, tables.unread, unread)
        return dict(folded.unread)

    def _summaries(self, named: set[str | None]) -> dict[str, dict[str, Any]]:
        if not named:
            return {}
        query = sa.select(tables.inspections).where(
            *owned(tables.inspections, self.batch.site, self.batch.node),
            tables.inspections.c.inspection.in_(named),
        )
        return {row.inspection: dict(row._mapping) for row in self.connection.execute(query)}


def _photo(photo: fold.Named) -> dict[str, Any]:
    return {
        "sha256": photo.sha256,
        "inspection": photo.inspection,
        "shot": photo.shot,
        "seq": photo.seq,
        "held": False,
        "size": photo.size,
    }
