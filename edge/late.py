"""Commands whose rooms are imported when they are asked for: what runs one does not load all others."""

from collections.abc import Mapping
from importlib import import_module
from typing import Any, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command


class Late(TyperGroup):
    """A group with commands by name, each where it is found: ``MODULE:NAME`` of a function or a group."""

    places: ClassVar[Mapping[str, str]] = {}

    def list_commands(self, ctx: Any) -> list[str]:
        """Every command, those that are not loaded too."""
        return sorted({*super().list_commands(ctx), *self.places})

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """The command of that name; its room is imported now."""
        if cmd_name in self.commands or cmd_name not in self.places:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.places[cmd_name].partition(":")
        found = getattr(import_module(module), name)
        if not isinstance(found, typer.Typer):
            alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
            alone.command(cmd_name)(found)
            found = alone
        command = get_command(found)
        command.name = cmd_name
        self.add_command(command, cmd_name)
        return command
