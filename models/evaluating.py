"""``chayan review eval``: a folder of labelled photos is evaluated and reported as text, JSON and HTML."""

import resource
from contextlib import ExitStack
from pathlib import Path
from typing import IO

import msgspec

from models.attacks import SEED
from models.catalog import candidate, trying
from models.evaluation import Answer, Evaluation
from models.figures import Run, report
from models.labelled import FolderError, Kind, labelled
from models.report_html import PICTURES, page
from models.report_text import text
from models.reviewer import Reviewer
from models.stages import STAGES


def evaluate(
    folder: Path,
    out: IO[str],
    *,
    kind: Kind | None = None,
    as_json: bool = False,
    html: Path | None = None,
    far: float | None = None,
    tried: str = "",
    every: int = 1,
    seed: int = SEED,
    threads: int = 2,
    progress: IO[str] | None = None,
) -> int:
    """Evaluates and writes; returns 1 when a photo could not be read, else 0.

    ``far``: also proposes thresholds for that rate of false accepts. ``tried``: a candidate in place of the
    catalog. Raises FolderError for a folder or an HTML file that cannot be used, WeightsError.
    """
    photos = labelled(folder, kind)
    if html is not None:
        _must_be_writable(html)
    with ExitStack() as stack:
        if tried:
            stack.enter_context(trying(candidate(tried)))
        pictures = PICTURES if html else 0
        evaluation = Evaluation(Reviewer(threads), photos, every=every, seed=seed, pictures=pictures)
        answers = list(evaluation.run(_Progress(progress)))
        run = _run(evaluation, answers, tried=tried, every=every, seed=seed, threads=threads)
        found = report(run, answers, evaluation.limits, STAGES, far)
    if html is not None:
        html.write_text(page(found, answers), encoding="utf-8")
    out.write((msgspec.json.encode(found).decode() if as_json else text(found)) + "\n")
    return 1 if found.run.unreadable else 0


def _run(
    evaluation: Evaluation, answers: list[Answer], *, tried: str, every: int, seed: int, threads: int
) -> Run:
    told = next((answer.told for answer in answers if answer.told), None)
    return Run(
        folder=evaluation.labelled.folder.resolve().name,
        kind=evaluation.labelled.kind,
        photos=len(answers),
        unreadable=sum(bool(answer.wrong) for answer in answers),
        model="" if told is None else told.model,
        weights_sha256="" if told is None else told.weights_sha256 or "",
        candidate=tried,
        agree_from=evaluation.limits.agree,
        chosen_on=evaluation.limits.chosen_on,
        seed=seed,
        every=every,
        threads=threads,
        peak_mb=round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),  # Linux tells kB
    )


class _Progress:
    """Tells how far it is, ten times in all."""

    def __init__(self, out: IO[str] | None) -> None:
        self._out = out

    def __call__(self, done: int, total: int) -> None:
        if self._out is not None and (done * 10 // total > (done - 1) * 10 // total):
            self._out.write(f"{done}/{total}\n")
            self._out.flush()


def _must_be_writable(html: Path) -> None:
    """Before the work, not after it."""
    try:
        html.touch()
    except OSError as error:
        raise FolderError(f"--html {html}: cannot be written: {error.strerror}") from error
