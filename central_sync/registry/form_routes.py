"""Printed forms at the centre: the registry tells what it holds, the printer it was given draws it."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, TypeAlias

import sqlalchemy as sa
from fastapi import FastAPI, Query, Response

from central_sync.photos import Photos
from central_sync.registry import runs
from central_sync.registry.detail import capture_of, one, parsed
from central_sync.registry.problems import Rejected
from lanes.forms import KINDS, FormKind, Kept, form_kind
from lanes.record import Ordered

if TYPE_CHECKING:
    from central_sync.registry.api import Registry

#: (form, inspection, photos, who prints) -> PDF
Printer: TypeAlias = Callable[[FormKind, Kept, Photos, str], bytes]


def add_forms(app: FastAPI, registry: "Registry", printer: Printer) -> None:
    """``GET /v1/inspections/{inspection}/forms/{form}.pdf``."""

    @app.get("/v1/inspections/{inspection}/forms/{form}.pdf", summary="A printed form of an inspection")
    def get_form(
        inspection: str,
        form: str,
        node: str = "",
        by: Annotated[str, Query(max_length=80)] = "",
    ) -> Response:
        kind = form_kind(form)
        if kind is None:
            raise Rejected.not_found(f"no form {form!r} (known: {', '.join(KINDS)})")
        kept = kept_of(registry.engine, inspection, node.replace("\0", ""))
        headers = {"Content-Disposition": f'attachment; filename="{form}.pdf"', "Cache-Control": "no-store"}
        return Response(printer(kind, kept, registry.photos, by), 200, headers, "application/pdf")


def kept_of(engine: sa.Engine, inspection: str, node: str = "") -> Kept:
    """An inspection as this registry holds it; raises Rejected when it does not hold its order."""
    with engine.connect() as connection:
        row = one(connection, inspection, node)
        stored = runs.of_inspection(connection, row)
        records = list(parsed(stored))
        capture = capture_of(connection, row, records)
    if not any(isinstance(record.body, Ordered) for record in records):
        raise Rejected.not_found(f"the order of inspection {inspection!r}")
    return Kept(
        site=row.site,
        node=row.node,
        records=records,
        head=stored[-1].head.hex(),
        capture=capture,
        unreadable=len(stored) - len(records),
    )
