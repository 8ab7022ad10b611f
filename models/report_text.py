"""A report for the terminal, and the lines of the catalog that follow from chosen thresholds."""

from collections.abc import Sequence

from models.figures import Fault, Report
from models.report_words import both
from models.scoring import Reliability, Share

MOST_FAULTS = 20


def shown(share: Share, digits: int = 1) -> str:
    """A share as text: percent and interval; of nothing a dash."""
    if not share.total:
        return "—"
    return f"{share.value:.{digits}%} [{share.low:.{digits}%}, {share.high:.{digits}%}]"


def text(report: Report) -> str:
    """Everything but the pictures."""
    run = report.run
    lines = [
        f"{run.folder} ({run.kind}): {both('photos')} {run.photos}, {both('unreadable')} {run.unreadable}",
        f"{both('model')}: {run.model} {run.weights_sha256[:12]}, {both('agree_from')} {run.agree_from:g}",
        *([f"{both('candidate')}: {run.candidate}"] if run.candidate else []),
        "",
        f"{both('accuracy')}, {both('interval')}",
    ]
    for each in report.classes:
        lines.append(f"  {both(each.name)} ({each.exact.total}): {both('exact')} {shown(each.exact)}")
        lines.append(f"    {both('listed')} {shown(each.listed)}; {both('agree')} {shown(each.agree)}")
        lines.append(f"    {both('disagree')} {shown(each.disagree)}; {both('unsure')} {shown(each.unsure)}")
    lines += ["", both("claims")]
    for way in report.claims:
        counted = f"{both('agree')} {shown(way.agree, 2)}, {both('disagree')} {shown(way.disagree)}"
        lines.append(f"  {both(way.way)} ({way.agree.total}): {counted}")
    lines += ["", both("verification")]
    for found in report.verification:
        lines.append(
            f"  {both('far')} {found.far:.1%}: {both('tar')} {shown(found.at.true)}, "
            f"{both('at_margin')} {found.at.margin:.2f}"
        )
    lines += [
        "",
        f"{both('confidence')}: {_trust(report.confidence)}",
        f"{both('probability')}: {_trust(report.probability)}",
        "",
        f"{both('latency')}, ms p50 / p95; {both('peak_mb')} {run.peak_mb} MB",
        *(f"  {both(each.stage)}: {each.p50_ms:.1f} / {each.p95_ms:.1f}" for each in report.latency),
        *(["", both("proposal"), proposed(report)] if report.proposal else []),
        "",
        f"{both('faults')}: {len(report.faults)}",
        *_faults(report.faults),
    ]
    return "\n".join(lines)


def _trust(found: Reliability | None) -> str:
    return both("no_fit") if found is None else f"{both('ece')} {found.ece:.4f}"


def _faults(found: Sequence[Fault]) -> list[str]:
    lines = [f"  {each.file}: {each.wrong or _misread(each)}" for each in found[:MOST_FAULTS]]
    return lines if len(found) <= MOST_FAULTS else [*lines, "  … --html FILE"]


def _misread(fault: Fault) -> str:
    wrong = f"; {both('accepted')} {', '.join(fault.accepted)}" if fault.accepted else ""
    return f"{both('label')} {fault.label}, {both('read')} {fault.read or '—'}, {both(fault.opinion)}{wrong}"


def proposed(report: Report) -> str:
    """The lines of ``catalog.toml`` that follow from a proposal, and how they were tried."""
    found, run = report.proposal, report.run
    if found is None:
        return ""
    question = "vin" if run.kind == "vin" else "plate"
    margins, fit = found.margins, found.probability
    photos = f"{run.folder} ({run.photos - run.unreadable} photos, seed {run.seed})"
    unproven = f" # {both('unproven')}" if margins.held_out_false.high > margins.far else ""
    tried = f"right claims {shown(margins.held_out_true)}, wrong ones {shown(margins.held_out_false, 3)}"
    return "\n".join(
        (
            f"[thresholds.{question}]{unproven}",
            f"agree = {margins.agree.margin:.2f} # false accepts at most {margins.far:.2%} of {photos};",
            f"# elsewhere, by folds: {tried}; margins {margins.lowest:.2f} to {margins.highest:.2f}",
            f"disagree = {margins.disagree:.2f}",
            f"[thresholds.{question}.probability]",
            f"a = {fit.a:.4f} # expected calibration error on folds not fitted on: {fit.held_out_ece:.4f}",
            f"b = {fit.b:.4f}",
            f'fitted_on = "{photos}"',
        )
    )
