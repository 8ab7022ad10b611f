"""chayan verify: what a journal, a bundle, or the evidence of an inspection can prove, in plain words."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.failing import fail


def verify_command(
    target: Annotated[
        str,
        typer.Argument(
            metavar="TARGET",
            help="A node's folder, a journal file, a bundle, an evidence file, or a registry's URL",
        ),
    ],
    key: Annotated[
        list[str] | None, typer.Option(help="A public key that is the node's; may stand several times")
    ] = None,
    registry_key: Annotated[
        list[str] | None, typer.Option(help="A public key that is the registry's; may stand several times")
    ] = None,
    against: Annotated[
        list[str] | None,
        typer.Option(
            help="What somebody else holds: a receipt, note or mark file, a URL, or a form's QR text"
        ),
    ] = None,
    ca_file: Annotated[
        Path | None, typer.Option(help="Certificate of the registry's own authority, for https URLs")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object")] = False,
) -> None:
    """Verify a journal, a bundle or the evidence of an inspection, with nothing but public keys."""
    from central_sync.seal import KeyTrouble, is_public_key
    from central_sync.trust import Trust
    from edge.auditing import TargetError, verified, witness_of

    for each in [*(key or ()), *(registry_key or ())]:
        if not is_public_key(each):
            fail(f"{each!r} is no public key such as ed25519:BASE64; chayan node-key prints a node's", 2)
    try:
        witnesses = [witness_of(each, ca_file) for each in against or ()]
        trust = Trust(keys=tuple(key or ()), registry_keys=tuple(registry_key or ()), witnesses=witnesses)
        findings = verified(target, trust, ca_file)
    except (TargetError, KeyTrouble) as error:
        fail(str(error), 2)
    if as_json:
        typer.echo(json.dumps(findings.as_json(), ensure_ascii=False))
    else:
        _print(findings)
    raise typer.Exit(0 if findings.holds else 1)


def _print(findings: Any) -> None:
    lines: Sequence[tuple[str, Any]] = [
        *(("✓", each) for each in findings.good),
        *(("!", each) for each in findings.open),
        *(("✗", each) for each in findings.bad),
    ]
    for mark, line in lines:
        typer.echo(f"{mark} {line.zh}\n  {line.en}")
    zh, en = ("全部成立", "all of it holds") if findings.holds else ("不成立", "it does not hold")
    typer.echo(f"{findings.target}: {zh} · {en}")
