"""Tables on paper: rows of cells that grow with their texts and go on over pages."""

from collections.abc import Sequence
from dataclasses import dataclass

from edge.printing_paper import BOTTOM, HAIR, MARGIN, PAD, PAD_X, Cell, Paper, Run


@dataclass(frozen=True, slots=True)
class _Laid:
    """A cell's lines."""

    lines: tuple[Run, ...]
    cell: Cell

    @property
    def height(self) -> float:
        return sum(line.height for line in self.lines)

    def split(self, room: float) -> tuple["_Laid", "_Laid"]:
        """(the lines that fit into a height, the others); at least one line when there is any."""
        used, count = 0.0, 0
        for line in self.lines:
            if count and used + line.height > room:
                break
            used, count = used + line.height, count + 1
        return _Laid(self.lines[:count], self.cell), _Laid(self.lines[count:], self.cell)


class Table:
    """Rows of cells below ``paper.y``; ``head`` stands on each page, ``side`` is a column for groups."""

    def __init__(
        self,
        paper: Paper,
        widths: Sequence[float],
        head: Sequence[Cell] = (),
        x: float = MARGIN,
        side: float = 0.0,
    ) -> None:
        self.paper, self.widths, self.head = paper, widths, head
        self.x, self.side = x, side
        self._group: tuple[Cell, float] | None = None
        self._heading()

    def row(self, cells: Sequence[Cell], least: float = 0.0, *, split: bool = False) -> None:
        """One row, at least ``least`` high; without room here on the next page, or over several.

        ``split``: it begins here in any case, if ``least`` has room.
        """
        pairs = zip(cells, self.widths, strict=True)
        laid = [_Laid(tuple(self._lines(cell, width)), cell) for cell, width in pairs]
        tall = max(least, max(each.height for each in laid) + 2 * PAD)
        here = least if split else tall
        if self.paper.y + here > BOTTOM and not self._is_fresh():
            self._break()
        while self.paper.y + tall > BOTTOM:
            room = BOTTOM - self.paper.y - 2 * PAD
            parts = [each.split(room) for each in laid]
            self._draw([part for part, _ in parts], BOTTOM - self.paper.y)
            self._break()
            laid = [rest for _, rest in parts]
            tall = max(each.height for each in laid) + 2 * PAD
        self._draw(laid, tall)

    def begin(self, cell: Cell) -> None:
        """A group of rows begins: ``cell`` stands beside all of them."""
        self._group = (cell, self.paper.y)

    def end(self) -> None:
        """The group ends here: its cell is drawn."""
        if self._group is not None:
            cell, top = self._group
            height = self.paper.y - top
            laid = _Laid(tuple(self._lines(cell, self.side)), cell)
            self.paper.frame(self.x, top, self.side, height)
            self._write(laid, self.x, top, self.side, height)
            self._group = None

    def _lines(self, cell: Cell, width: float) -> list[Run]:
        return [line for run in cell.runs for line in self.paper.wrapped(run, width - 2 * PAD_X)]

    def _is_fresh(self) -> bool:
        """Whether nothing but the heading stands on this page."""
        return self.paper.y <= self._top

    def _heading(self) -> None:
        self._top = float("-inf")  # a heading alone may stand anywhere
        if self.head:
            wide = [self.widths[0] + self.side, *self.widths[1:]] if self.side else self.widths
            pairs = zip(self.head, wide, strict=True)
            laid = [_Laid(tuple(self._lines(cell, width)), cell) for cell, width in pairs]
            tall = max(each.height for each in laid) + 2 * PAD
            if self.paper.y + 3 * tall > BOTTOM:
                self.paper.add_page()
            self._draw(laid, tall, wide, self.x)

    def _break(self) -> None:
        group = self._group
        self.end()
        self.paper.add_page()
        self._heading()
        self._top = self.paper.y
        if group is not None:
            self.begin(group[0])

    def _draw(
        self,
        laid: Sequence[_Laid],
        tall: float,
        widths: Sequence[float] | None = None,
        x: float | None = None,
    ) -> None:
        x = self.x + self.side if x is None else x
        for each, width in zip(laid, widths or self.widths, strict=True):
            self.paper.frame(x, self.paper.y, width, tall, HAIR)
            self._write(each, x, self.paper.y, width, tall)
            x += width
        self.paper.set_y(self.paper.y + tall)

    def _write(self, laid: _Laid, x: float, y: float, width: float, tall: float) -> None:
        y += max(PAD, (tall - laid.height) / 2)
        for line in laid.lines:
            self.paper.write_line(line, x + PAD_X, y, width - 2 * PAD_X, laid.cell.align)
            y += line.height
