"""The evidence of an inspection: everything that an auditor needs to verify it offline, in one document."""

from typing import Any

import sqlalchemy as sa

from central_sync import merkle
from central_sync.registry import runs
from central_sync.registry.checkpoints import Held, covering, newest
from central_sync.registry.detail import one
from central_sync.registry.nodes import keys_of
from central_sync.registry.problems import Rejected

FORMAT = "chayan evidence 1"
LINKS = 20_000  # heads between the last record and the signed head, where no checkpoint covers it yet


def evidence(engine: sa.Engine, inspection: str, node: str, registry_key: str) -> dict[str, Any]:
    """Exact bytes of each record with the head before it, and what leads from there to a signature."""
    with engine.connect() as connection:
        row = one(connection, inspection, node)
        own = runs.of_inspection(connection, row)
        document = {
            "format": FORMAT,
            "site": row.site,
            "node": row.node,
            "inspection": inspection,
            "registry_key": registry_key,
            "node_keys": sorted(keys_of(connection, row.site, row.node)),
            "records": [
                {"seq": each.seq, "prev_head": each.prev.hex(), "record": each.data.decode()} for each in own
            ],
        }
        return document | _vouched(connection, row, [each.seq for each in own])


def _vouched(connection: sa.Connection, row: sa.Row[Any], seqs: list[int]) -> dict[str, Any]:
    """Inclusion in a cosigned checkpoint; before there is one: the heads up to the next signed head."""
    last = max(seqs)
    checkpoint = covering(connection, row.site, row.node, last)
    if checkpoint is not None:
        held = Held(connection, row.site, row.node)
        paths = {seq: merkle.inclusion(held, seq - 1, checkpoint.size) for seq in seqs}
        return {
            "checkpoint": checkpoint.note,
            "inclusion": {str(seq): [each.hex() for each in path] for seq, path in paths.items()},
        }
    signed = runs.holding(connection, row.site, row.node, last)
    if signed is None or signed.last_seq - min(seqs) > LINKS:
        raise Rejected.not_found(f"no signed head or checkpoint covers inspection {row.inspection} yet")
    return {"signed_head": _signed(signed), "links": _links(connection, row, min(seqs), signed.last_seq)}


def _signed(signed: sa.Row[Any]) -> dict[str, Any]:
    return {
        "seq": signed.last_seq,
        "head": signed.head.hex(),
        "public_key": signed.public_key,
        "signature": signed.signature,
    }


def _links(connection: sa.Connection, row: sa.Row[Any], first: int, last: int) -> list[str]:
    """Bytes of every record from the inspection's first to the signed head; refused ones are not held."""
    between = list(runs.between(connection, row.site, row.node, first, last))
    if any(each.instead is not None for each in between):
        raise Rejected.not_found(
            f"a refused record stands among those of {row.inspection}: wait for the next checkpoint"
        )
    return [each.data.decode() for each in between]


def checkpoint_list(engine: sa.Engine, site: str, node: str, limit: int, before: int) -> dict[str, Any]:
    """Checkpoints of a node, newest first, and the keys that it was ever enrolled with."""
    with engine.connect() as connection:
        found = [
            {
                "size": each.size,
                "root": each.root.hex(),
                "note": each.note,
                "received_at": each.received_at.isoformat(),
            }
            for each in newest(connection, site, node, limit, before)
        ]
        return {"checkpoints": found, "node_keys": sorted(keys_of(connection, site, node))}
