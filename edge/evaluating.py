"""chayan review eval: how well the models read a folder of labelled photos."""

import sys
from pathlib import Path
from typing import Annotated, Literal

import typer

from edge.failing import fail


def eval_command(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Photos and their labels.csv")],
    kind: Annotated[
        Literal["plates_full", "plates_crop", "vin"] | None,
        typer.Option(help="Kind of the folder; default: told by its columns"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object")] = False,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a report with pictures of every error")
    ] = None,
    choose_thresholds: Annotated[
        float | None,
        typer.Option(
            metavar="RATE", min=0.00001, max=0.5, help="Propose thresholds for this rate of false accepts"
        ),
    ] = None,
    candidate: Annotated[
        str, typer.Option(help="A candidate of the catalog, or a .toml file, in its place")
    ] = "",
    every: Annotated[int, typer.Option(min=1, max=100_000, help="Only every n-th photo")] = 1,
    seed: Annotated[int, typer.Option(min=0, help="Of the wrong claims")] = 20261122,
    threads: Annotated[int, typer.Option(min=1, max=64, help="Threads of the inference")] = 2,
) -> None:
    """Evaluate the models on labelled photos: accuracy, verification, calibration, time, errors."""
    from models.catalog import WeightsError
    from models.evaluating import evaluate
    from models.labelled import FolderError

    try:
        status = evaluate(
            folder,
            sys.stdout,
            kind=kind,
            as_json=as_json,
            html=html,
            far=choose_thresholds,
            tried=candidate,
            every=every,
            seed=seed,
            threads=threads,
            progress=sys.stderr,
        )
    except (FolderError, WeightsError) as error:
        fail(str(error), 2)
    raise typer.Exit(status)
