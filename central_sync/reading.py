"""The reading side of an open journal: records, keys and receipts, through all its volumes."""

from collections.abc import Iterable

from central_sync.refusals import REFUSED
from central_sync.shelf import RetiredError, Shelf
from central_sync.volumes import KeptCheckpoint, KeptReceipt, Row
from lanes.record import Record, parse


class Reading:
    """What is durable in a journal; all of it may be called from any thread."""

    _shelf: Shelf

    def first_seq(self) -> int:
        """Number of the oldest record that is still here."""
        return self._shelf.volumes[0].first_seq

    def rows(self, after_seq: int, limit: int = 500) -> list[Row]:
        """Durable records after ``after_seq``, in order."""
        return self._shelf.rows(after_seq, limit)

    def replay(self, after_seq: int = 0) -> Iterable[Record]:
        """Every durable record after ``after_seq``, read in pages."""
        while rows := self.rows(after_seq):
            yield from (parse(row.data) for row in rows)
            after_seq = rows[-1].seq

    def of_inspection(self, inspection: str) -> list[Record]:
        """All records of one inspection that are still here, in order."""
        return [parse(data) for volume in self._shelf.volumes for data in volume.of_inspection(inspection)]

    def find(self, source: str, source_key: str) -> Record | None:
        """The record of a (source, source_key), if it was ever written. Raises RetiredError."""
        found = self._shelf.find(source, source_key)
        if isinstance(found, RetiredError):
            raise found
        return None if found is None else parse(found)

    def newest(self, source: str, prefix: str) -> list[Record]:
        """Of a source's keys that begin so, the last record of each group; a group ends at the last ``/``."""
        volumes = self._shelf.volumes
        keys = [found for volume in volumes for found in volume.keys_of(source, prefix)]
        last = {key.rpartition("/")[0]: seq for seq, key in sorted(keys)}
        return [parse(self.rows(seq - 1, 1)[0].data) for seq in sorted(last.values())]

    def refused(self, sources: Iterable[str], after_seq: int = 0) -> set[int]:
        """Numbers of records that ``Refused`` records of these sources, after ``after_seq``, speak of."""
        later = [volume for volume in self._shelf.volumes if volume.last()[0] > after_seq]
        found = [key for each in sources for volume in later for key in volume.keys_of(each, REFUSED)]
        return {int(key.removeprefix(REFUSED)) for seq, key in found if seq > after_seq}

    def receipt(self, destination: str) -> tuple[int, bytes] | None:
        """The last receipt of a destination: accepted through, and the receipt's own bytes."""
        kept = self.last_receipts().get(destination)
        return None if kept is None else (kept.through_seq, kept.data)

    def receipts(self) -> dict[str, int]:
        """How far each destination has settled."""
        return {name: kept.through_seq for name, kept in self.last_receipts().items()}

    def last_receipts(self) -> dict[str, KeptReceipt]:
        """The last receipt of each destination."""
        return self._shelf.current.last_receipts()

    def receipt_count(self) -> int:
        """How many receipts all destinations have given."""
        return sum(volume.receipt_count() for volume in self._shelf.volumes)

    def checkpoint(self) -> KeptCheckpoint | None:
        """The newest signed note."""
        notes = self._shelf.current.checkpoints()
        return notes[-1] if notes else None
