"""A visit to lane 1 of the small site, fact by fact, and what the marshal makes of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from edge.marshal import LaneDevices, Marshal
from lanes.record import AnyBody, Judged, Moved, Photographed
from tests.edge_parts import Edge, edge_at, vehicle
from tests.lanes_parts import brake, checked, photo, review, slip, weighed

ITEMS = ("01", "03", "04", "06", "07", "08", "09", "20")
SHOTS = {"0111": ("plate", "quality"), "0112": ("quality",), "0113": ("vin", "quality"), "0157": ("quality",)}
GOOD: dict[str, AnyBody] = {
    **{item: checked(item) for item in ITEMS},
    "W1": weighed(1, "322.5", "317.5"),
    "B1": brake("B1", 240, 228),
    "W2": weighed(2, "290", "285"),
    "B2": brake("B2", 150, 145),
    "B0": brake("B0", 160, 150),
    "A1": slip("1.5"),
    **{shot: photo(shot) for shot in SHOTS},
}
WEAK = brake("B1", 150, 140)  # fails the axle and the whole vehicle


class Visit:
    """One inspection of the desk, whose facts are appended as they would come."""

    def __init__(self, edge: Edge, name: str) -> None:
        self.edge, self.name = edge, name
        self._count = 0

    async def add(self, body: AnyBody) -> int:
        self._count += 1
        appended = await self.edge.desk.append("virtual+test", f"{self.name}/{self._count}", body, self.name)
        return appended.record.seq

    async def do(self, *only: str, **instead: AnyBody) -> None:
        """The facts of a good car, or some of them; ``instead`` by code with an underscore before it."""
        facts = GOOD | {code.removeprefix("_"): body for code, body in instead.items()}
        for code in only or facts:
            seq = await self.add(facts[code])
            if isinstance(facts[code], Photographed):
                await self._reviewed(seq, code)

    async def _reviewed(self, seq: int, shot: str) -> None:
        papers = self.edge.desk.book.inspections[self.name].vehicle
        claims = {"vin": papers.vin, "plate": papers.plate.hphm if papers.plate else ""}
        for question in (*SHOTS[shot], "reuse"):
            text = claims.get(question, "")
            await self.add(review(seq, shot, question, "agree", text, text))

    async def sign(self) -> None:
        answer = await self.edge.act(self.name, f"{self.name}/sign", {"kind": "signed"})
        assert answer.status_code == 201, answer.text

    async def leave(self) -> None:
        await self.add(Moved(lane="1", station=""))

    async def judged(self) -> Judged | None:
        """What the marshal of the lane has recorded after it looked twice."""
        marshal = Marshal(self.edge.desk, self.edge.desk.site.lane("1"), LaneDevices(), "run")
        for _ in range(2):
            await marshal._round()
        bodies = [record.body for record in self.edge.desk.journal.of_inspection(self.name)]
        found = [body for body in bodies if isinstance(body, Judged)]
        assert len(found) <= 1
        return found[0] if found else None


async def visit(edge: Edge, key: str = "k1", **changes: object) -> Visit:
    """An ordered vehicle that stands at the first station of lane 1."""
    made = Visit(edge, await edge.order(key, **changes))
    await edge.arrive(made.name)
    return made


@asynccontextmanager
async def visited(folder: Path) -> AsyncIterator[tuple[Edge, Visit]]:
    """A node with one vehicle on lane 1."""
    async with edge_at(folder) as edge:
        yield edge, await visit(edge, vehicle=vehicle())
