"""Whether what must be filmed was filmed from beginning to end; a gap is shown, nobody fails by it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from lanes.evidence import Evidence, Numbered, Span
from lanes.record import Filmed, Finding

ITEM, QUANTITY = "video", "film"
SLACK = timedelta(seconds=1)  # the clock of a recorder, and the first key picture of a clip (M)
FEWEST_BYTES_A_SECOND = 2000  # less is no moving picture (M)


def film_findings(evidence: Evidence) -> Iterator[Finding]:
    """One finding for each item that had to be filmed and has ended: ``pass``, else ``not_applicable``.

    Films of several cameras add up. One without a clip counts as well: a recorder or a body camera holds it.
    """
    for item, span in sorted(evidence.spans.items()):
        if not span.to_film or span.to_at is None:
            continue
        near = [pair for pair in evidence.films if _shows(pair[1], span, span.to_at)]
        gaps = _gaps([pair for pair in near if not _is_thin(pair[1])], span.from_at, span.to_at)
        words = [f"{item} at {span.lane}/{span.station} lasted {_s(span.to_at - span.from_at)} s"]
        words += ["no film of it"] if not near else []
        words += [f"{_s(end - begin)} s are missing from {begin:%H:%M:%S} UTC" for begin, end in gaps if near]
        words += [f"record {seq}: its clip is too small" for seq, film in near if _is_thin(film)]
        yield Finding(
            item=ITEM,
            result="not_applicable" if gaps else "pass",
            quantity=QUANTITY,
            value=item,
            arithmetic="; ".join(words)[:2000],
            basis=(span.from_seq, span.to_seq, *(seq for seq, _ in near)),
            severity="reminder" if gaps else "reject",
        )


def _shows(film: Filmed, span: Span, end: datetime) -> bool:
    """Whether a film may show the item: of its place or of none, and of its time."""
    here = film.station in ("", span.station) and film.lane in ("", span.lane)
    return here and film.from_at <= end and film.to_at >= span.from_at


def _is_thin(film: Filmed) -> bool:
    """Whether the clip has fewer bytes than moving pictures need."""
    if film.clip is None or film.size_bytes is None:
        return False
    return film.size_bytes < FEWEST_BYTES_A_SECOND * (film.to_at - film.from_at).total_seconds()


def _gaps(films: list[Numbered[Filmed]], begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """Stretches longer than ``SLACK`` that no film covers."""
    gaps, seen = [], begin
    for _, film in sorted(films, key=lambda pair: pair[1].from_at):
        if film.from_at - seen > SLACK:
            gaps.append((seen, film.from_at))
        seen = max(seen, film.to_at)
    if end - seen > SLACK or not films:
        gaps.append((seen, end))
    return gaps


def _s(length: timedelta) -> str:
    return f"{length.total_seconds():.1f}"
