"""How every command ends that cannot do what it was asked."""

from typing import NoReturn

import typer


def fail(text: str, status: int = 1) -> NoReturn:
    """Ends the command with one clear error."""
    typer.echo(text, err=True)
    raise typer.Exit(status)
