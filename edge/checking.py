"""chayan device-check, and its route: a person enters a zero or span check of a measuring device."""

from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import uuid4

import httpx
import typer
from msgspec import Meta, Struct

from edge.desk import Desk
from edge.failing import fail
from edge.permits import ActError
from edge.settings import SettingsError, SiteFile, load
from lanes.calibration import passes
from lanes.record import CalibrationChecked, Name, Text

ASK_S = 10.0


class CheckPost(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A zero or span check as it is entered; whether it passed is worked out here."""

    key: Annotated[str, Meta(pattern="^[A-Za-z0-9._-]{1,80}$")]
    check: Literal["zero", "span"]
    expected: Decimal
    measured: Decimal
    tolerance: Decimal
    unit: Annotated[str, Meta(min_length=1, max_length=20)]
    by: Name
    remark: Text = ""


async def enter(desk: Desk, device: str, post: CheckPost) -> tuple[int, bool, bool]:
    """(seq, passed, fresh) of a check's record. Raises ActError, JournalError."""
    if device not in desk.calibrations.entries:
        raise ActError(404, "no-device", f"没有检测设备 {device}", f"no measuring device {device}")
    numbers = (post.expected, post.measured, post.tolerance)
    if not all(number.is_finite() for number in numbers) or post.tolerance < 0:
        raise ActError(
            422,
            "number",
            "核查数值必须有限，允差不得为负",
            "numbers must be finite, tolerance 0 or more",
        )
    body = CalibrationChecked(
        device=device,
        check=post.check,
        expected=post.expected,
        measured=post.measured,
        tolerance=post.tolerance,
        unit=post.unit,
        passed=passes(post.expected, post.measured, post.tolerance),
        by=post.by,
        remark=post.remark,
    )
    appended = await desk.calibrations.check(body, post.key)
    seq = appended.record.seq
    if appended.record.body != body:
        raise ActError(409, "key-reused", f"此键已用于记录 {seq}", f"this key stands for record {seq}")
    return seq, body.passed, appended.fresh


def api_of(site: SiteFile) -> str:
    """Where this machine reaches the node's API."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(site.api.host, site.api.host)
    return f"http://{f'[{host}]' if ':' in host else host}:{site.api.port}"


def _number(name: str, text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        fail(f"{name} {text!r} is no number")


def check_command(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The site file of a running node")],
    device: Annotated[str, typer.Argument(metavar="DEVICE", help="Name of a measuring device")],
    check: Annotated[Literal["zero", "span"], typer.Option(help="What was checked")],
    expected: Annotated[str, typer.Option(help="What it should show")],
    measured: Annotated[str, typer.Option(help="What it showed")],
    tolerance: Annotated[str, typer.Option(help="How far these may differ")],
    unit: Annotated[str, typer.Option(help="Unit of the three, such as kg")],
    by: Annotated[str, typer.Option(help="Who checked")],
    remark: Annotated[str, typer.Option(help="Anything else")] = "",
) -> None:
    """Enter a zero or span check of a measuring device; status 1 when it failed."""
    try:
        site = load(file)
    except SettingsError as error:
        fail(str(error))
    numbers = {"expected": expected, "measured": measured, "tolerance": tolerance}
    body: dict[str, Any] = {name: str(_number(f"--{name}", text)) for name, text in numbers.items()}
    body |= {"key": uuid4().hex, "check": check, "unit": unit, "by": by, "remark": remark}
    try:
        answer = httpx.post(f"{api_of(site)}/api/v1/devices/{device}/checks", json=body, timeout=ASK_S)
    except httpx.HTTPError as error:
        fail(f"{api_of(site)}: the node does not answer ({error}); is it running?")
    said = answer.json()
    if not answer.is_success:
        fail(f"{device}: {said.get('detail', answer.text)}")
    typer.echo(f"{device}: {'合格 passed' if said['passed'] else '不合格 failed'}, record {said['seq']}")
    if not said["passed"]:
        raise typer.Exit(1)
