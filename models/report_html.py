"""A report as one HTML file that needs nothing else: tables, curves, and the pictures of every error."""

import base64
import math
from collections.abc import Iterable, Sequence
from difflib import SequenceMatcher
from html import escape

from models.evaluation import Answer
from models.figures import Fault, Report
from models.report_text import proposed, shown
from models.report_words import both
from models.scoring import Reliability

PICTURES = 300  # errors whose pictures are in the file
PLOT = 260  # pixels of a plot's side
LEAST_FAR = 1e-4  # left end of the curve's logarithmic axis
STYLE = """
body{font:15px/1.5 system-ui,"Noto Sans CJK SC",sans-serif;max-width:72rem}
body{margin:2rem auto;padding:0 1rem;color:#1b1f24}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem;border-bottom:1px solid #d0d7de}
table{border-collapse:collapse}th,td{padding:.25rem .8rem;text-align:right;white-space:nowrap}
th,td{border-bottom:1px solid #eaeef2}th:first-child,td:first-child{text-align:left}
small{color:#57606a}.wide,pre{overflow-x:auto}
.plots{display:flex;flex-wrap:wrap;gap:2rem}figure{margin:0}svg{background:#fff;border:1px solid #d0d7de}
.faults{display:grid;grid-template-columns:repeat(auto-fill,minmax(18rem,1fr));gap:1rem}
.fault{border:1px solid #d0d7de;border-radius:6px;padding:.7rem;overflow-wrap:anywhere}
.fault img{max-width:100%;display:block}.fault .flat{height:48px;margin:.4rem 0}
.text{font:600 1.15rem ui-monospace,monospace;letter-spacing:.12em}
mark{background:#ffd8d3;color:#82071e}u{text-decoration:underline wavy #bc4c00}
"""


def page(report: Report, answers: Iterable[Answer]) -> str:
    """The whole file. ``answers``: those of the report, with their pictures."""
    run = report.run
    about = {
        "folder": run.folder,
        "kind": run.kind,
        "photos": str(run.photos),
        "unreadable": str(run.unreadable),
        "model": f"{run.model} · {run.weights_sha256[:12]}",
        "candidate": run.candidate or "—",
        "agree_from": f"{run.agree_from:g} · {run.chosen_on}",
        "settings": f"{run.seed} / {run.every} / {run.threads}",
        "peak_mb": f"{run.peak_mb} MB",
    }
    parts = [
        f"<!doctype html><html lang=zh-CN><head><meta charset=utf-8><title>{_said('title')}</title>",
        '<meta name=viewport content="width=device-width">',
        f"<style>{STYLE}</style></head><body><h1>{_said('title')}</h1>",
        _section("run", _table((), [(_said(name), escape(value)) for name, value in about.items()])),
        _section("accuracy", f"<p><small>{_said('interval')}</small></p>" + _classes(report)),
        _section("claims", _ways(report)),
        _section("verification", _verification(report)),
        _section("confidence", _trust(report.confidence)),
        _section("probability", _trust(report.probability)),
        _section("latency", _latency(report)),
        _section("proposal", f"<pre>{escape(proposed(report))}</pre>") if report.proposal else "",
        _section("faults", _faults(report.faults, answers)),
        "</body></html>\n",
    ]
    return "\n".join(parts)


def _said(code: str) -> str:
    return escape(both(code))


def _section(name: str, content: str) -> str:
    return f'<section id="{name}"><h2>{_said(name)}</h2>{content}</section>'


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """``heads`` are codes of words; cells are HTML."""
    head = "".join(f"<th>{_said(code)}</th>" for code in heads)
    body = "".join("<tr>" + "".join(f"<td>{cell}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<div class=wide><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _classes(report: Report) -> str:
    heads = ("class", "photos", "exact", "listed", "agree", "disagree", "unsure")
    rows = (
        (
            _said(each.name),
            str(each.exact.total),
            *(shown(part) for part in (each.exact, each.listed, each.agree, each.disagree, each.unsure)),
        )
        for each in report.classes
    )
    return _table(heads, rows)


def _ways(report: Report) -> str:
    rows = (
        (_said(each.way), str(each.agree.total), shown(each.agree, 2), shown(each.disagree))
        for each in report.claims
    )
    return _table(("way", "number", "agree", "disagree"), rows)


def _verification(report: Report) -> str:
    rows = (
        (f"{each.far:.1%}", shown(each.at.true), f"{each.at.margin:.2f}", shown(each.at.false, 2))
        for each in report.verification
    )
    curve = [(max(p.false.value, LEAST_FAR), p.true.value) for p in report.curve]
    plot = _plot(curve, log=True, across="false", up="tar") if curve else ""
    return _table(("far", "tar", "at_margin", "false"), rows) + plot


def _trust(found: Reliability | None) -> str:
    if found is None:
        return f"<p>{_said('no_fit')}</p>"
    rows = (
        (f"{b.low:.1f}–{b.high:.1f}", f"{b.weight:.1%}", f"{b.stated:.3f}", f"{b.came_true:.3f}")
        for b in found.bins
    )
    plot = _plot([(b.stated, b.came_true) for b in found.bins], across="stated", up="came_true")
    ece = f"<p>{_said('ece')}: <b>{found.ece:.4f}</b></p>"
    return f"{ece}<div class=plots>{_table(('number', 'share', 'stated', 'came_true'), rows)}{plot}</div>"


def _latency(report: Report) -> str:
    rows = ((_said(each.stage), f"{each.p50_ms:.1f}", f"{each.p95_ms:.1f}") for each in report.latency)
    return _table(("stage", "p50 ms", "p95 ms"), rows)


def _faults(found: Sequence[Fault], answers: Iterable[Answer]) -> str:
    if not found:
        return f"<p>{_said('no_faults')}</p>"
    about = {answer.row.line: answer for answer in answers}
    cards = "".join(_fault(each, about[each.line]) for each in found)
    return f"<p>{len(found)}</p><div class=faults>{cards}</div>"


def _fault(fault: Fault, answer: Answer) -> str:
    head = f"<b>{escape(fault.file or '—')}</b> <small>{_said('line')} {fault.line}</small>"
    if fault.wrong:
        return f"<div class=fault>{head}<p>{_said('unreadable')}: {escape(fault.wrong)}</p></div>"
    pictures = (
        _picture(answer.photo, "photo") + _picture(answer.flat, "flat") or f"<p>{_said('not_shown')}</p>"
    )
    why = ", ".join(_said(reason) for reason in fault.reasons)
    margin = "" if fault.margin is None else f" ({fault.margin:+.2f})"
    wrong = ", ".join(escape(claim) for claim in fault.accepted)
    lines = (
        f"{_said('label')}: <span class=text>{escape(fault.label)}</span>",
        f"{_said('read')}: {_read(answer)}",
        f"{_said(fault.opinion)}{margin} {why}",
        *((f"{_said('accepted')}: <b>{wrong}</b>",) if wrong else ()),
    )
    return f"<div class=fault>{head}{pictures}{'<br>'.join(lines)}</div>"


def _picture(jpeg: bytes, kind: str) -> str:
    if not jpeg:
        return ""
    return f'<img class={kind} alt={kind} src="data:image/jpeg;base64,{base64.b64encode(jpeg).decode()}">'


def _read(answer: Answer) -> str:
    """What was read: marked where it is not the label, underlined where it is least sure."""
    first = answer.first
    if first is None or not first.text:
        return _said("nothing_read")
    least = min((each.p for each in first.characters), default=None)
    same: set[int] = set()
    for block in SequenceMatcher(None, first.text, answer.row.label, autojunk=False).get_matching_blocks():
        same.update(range(block.a, block.a + block.size))
    cells = []
    for n, each in enumerate(first.characters):
        cell = escape(each.c) if n in same else f"<mark>{escape(each.c)}</mark>"
        cells.append(f'<u title="{each.p}">{cell}</u>' if each.p == least else cell)
    return f"<span class=text>{''.join(cells)}</span> <small>{first.confidence}</small>"


def _plot(points: Sequence[tuple[float, float]], *, across: str, up: str, log: bool = False) -> str:
    """Points of 0 to 1: with ``log`` a curve over a logarithmic axis, else dots beside the diagonal."""

    def at(x: float, y: float) -> tuple[float, float]:
        share = 1 - math.log10(max(x, LEAST_FAR)) / math.log10(LEAST_FAR) if log else x
        return round(share * PLOT, 1), round((1 - y) * PLOT, 1)

    placed = [at(x, y) for x, y in points]
    if log:
        drawn = f'<polyline fill=none stroke="#0969da" stroke-width=2 points="{_pairs(placed)}"/>'
        ends = f"{LEAST_FAR:.2%} … 100 %"
    else:
        dots = "".join(f'<circle cx="{x}" cy="{y}" r=4 fill="#0969da"/>' for x, y in placed)
        drawn = f'<polyline fill=none stroke="#8c959f" points="{_pairs([at(0, 0), at(1, 1)])}"/>{dots}'
        ends = "0 … 1"
    return (
        f'<figure><svg width={PLOT} height={PLOT} viewBox="0 0 {PLOT} {PLOT}" role=img>{drawn}</svg>'
        f"<figcaption><small>→ {_said(across)} ({ends})<br>↑ {_said(up)} (0 … 1)</small></figcaption>"
        "</figure>"
    )


def _pairs(points: Iterable[tuple[float, float]]) -> str:
    return " ".join(f"{x},{y}" for x, y in points)
