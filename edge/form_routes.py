"""Printed forms over the node's API."""

import asyncio
from typing import Annotated

from fastapi import FastAPI, Query, Response

from edge.desk import Desk
from edge.permits import ActError
from lanes.forms import KINDS, FormKind, form_kind
from lanes.scope import RuleError


def add_forms(app: FastAPI, desk: Desk) -> None:
    """``GET /api/v1/inspections/{inspection}/forms/{form}.pdf``."""

    @app.get("/api/v1/inspections/{inspection}/forms/{form}.pdf")
    async def form_of(inspection: str, form: str, by: Annotated[str, Query(max_length=80)] = "") -> Response:
        kind = form_kind(form)
        if kind is None:
            known = ", ".join(KINDS)
            raise ActError(404, "no-form", f"没有表单 {form}（{known}）", f"no form {form} (known: {known})")
        data = await asyncio.to_thread(_print, desk, inspection, kind, by)
        headers = {
            "Content-Disposition": f'attachment; filename="{form}.pdf"',
            "Cache-Control": "private, no-store",
        }
        return Response(data, media_type="application/pdf", headers=headers)


def _print(desk: Desk, inspection: str, kind: FormKind, by: str) -> bytes:
    from edge.printing import NoForm, kept_of, office_of, printed, source_of  # 50 MB that lanes need not

    site, journal = desk.site, desk.journal
    try:
        records = journal.of_inspection(inspection)
        if not records:
            raise NoForm
        kept = kept_of(site.site.id, site.node.name, records, journal.rows)
        office = office_of(desk.rules.of(records[0].seq), site)
        return printed(kind, kept, office, source_of(desk.photos), by)
    except RuleError as error:
        raise ActError(
            422, "no-rules", f"规则不能填写此表：{error}", f"the rules cannot fill it: {error}"
        ) from error
    except NoForm:
        raise ActError(
            404, "no-inspection", f"没有流水号 {inspection}", f"no inspection {inspection}"
        ) from None
