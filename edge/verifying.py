"""chayan verify: what a journal, a bundle, or the evidence of an inspection can prove, in plain words."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

TIMEOUT_S = 60.0


class TargetError(Exception):
    """A target or a witness cannot be read; the text says which and what it should be."""


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
        typer.Option(help="What somebody else holds of this journal: a receipt, note or mark file, or a URL"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the findings as one JSON object")] = False,
) -> None:
    """Verify a journal, a bundle or the evidence of an inspection, with nothing but public keys."""
    from central_sync.seal import KeyTrouble, is_public_key
    from central_sync.trust import Trust

    for each in [*(key or ()), *(registry_key or ())]:
        if not is_public_key(each):
            _fail(f"{each!r} is no public key such as ed25519:BASE64; chayan node-key prints a node's")
    try:
        witnesses = [witness_of(each) for each in against or ()]
        trust = Trust(keys=tuple(key or ()), registry_keys=tuple(registry_key or ()), witnesses=witnesses)
        findings = verified(target, trust)
    except (TargetError, KeyTrouble) as error:
        _fail(str(error))
    if as_json:
        typer.echo(json.dumps(findings.as_json(), ensure_ascii=False))
    else:
        _print(findings)
    raise typer.Exit(0 if findings.holds else 1)


def verified(target: str, trust: Any) -> Any:
    """Findings about a target. Raises TargetError."""
    from central_sync.evidence import verify_evidence
    from central_sync.verify import verify_journal

    if target.startswith(("http://", "https://")):
        return verify_evidence(target, _fetched(target), trust)
    path = Path(target)
    if not path.exists():
        raise TargetError(f"{target} is not there; name a node's folder, a journal, a bundle or a URL")
    if path.name.endswith(".tar.zst"):
        from central_sync.bundle import verify_bundle

        return verify_bundle(path, trust)
    if path.suffix == ".json":
        return verify_evidence(target, path.read_bytes(), trust)
    return verify_journal(path, trust)


def _fetched(url: str) -> bytes:
    import httpx

    if "/v1/inspections/" not in url:
        raise TargetError(f"{url}: name an inspection, such as https://registry/v1/inspections/ID")
    if not url.partition("?")[0].endswith("/evidence"):
        path, mark, query = url.partition("?")
        url = f"{path.rstrip('/')}/evidence{mark}{query}"
    try:
        answer = httpx.get(url, timeout=TIMEOUT_S)
    except httpx.HTTPError as error:
        raise TargetError(f"{url} cannot be reached: {error}") from error
    if answer.status_code != 200:
        raise TargetError(f"{url} answers {answer.status_code}: {answer.text[:200]}")
    return answer.content


def witness_of(place: str) -> Any:
    """What somebody else holds: a signed note, a receipt, a mark, or how far a registry stands."""
    import httpx

    from central_sync import note
    from central_sync.trust import Seen

    try:
        if place.startswith(("http://", "https://")):
            text = httpx.get(place, timeout=TIMEOUT_S).raise_for_status().text
        else:
            text = Path(place).read_text("utf-8")
    except (httpx.HTTPError, OSError, UnicodeDecodeError) as error:
        raise TargetError(f"--against {place}: cannot be read: {error}") from error
    if text.lstrip().startswith("{"):
        try:
            held = json.loads(text)
            number = next(held[name] for name in ("accepted_through", "through", "seq") if name in held)
            return Seen(seq=int(number), head=str(held["head"]), where=place)
        except (ValueError, KeyError, TypeError, StopIteration) as error:
            raise TargetError(f"--against {place}: is no receipt, mark or standing: {error!r}") from error
    try:
        checkpoint = note.checkpoint_of(note.parse(text))
    except note.NoteError as error:
        raise TargetError(f"--against {place}: is neither JSON nor a signed note: {error}") from error
    return Seen(seq=checkpoint.size, root=checkpoint.root, where=place)


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


def _fail(text: str) -> None:
    typer.echo(text, err=True)
    sys.exit(2)
