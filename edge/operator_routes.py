"""The operator's acts over HTTP: on an inspection, on a capture, on a vehicle at a gate."""

from fastapi import FastAPI, Request, Response

from edge.answers import answer, read_struct
from edge.operating import CorrectPost, Operating, OperatorPost, WalkInPost


def add_operating(app: FastAPI, operating: Operating) -> None:
    """Adds the operator's routes to the node's application."""

    @app.post("/api/v1/inspections/{inspection}/operator")
    async def operate(inspection: str, request: Request) -> Response:
        seq, fresh = await operating.append(inspection, await read_struct(request, OperatorPost))
        return answer({"seq": seq}, 201 if fresh else 200)

    @app.post("/api/v1/captures/{capture_seq}/correct")
    async def correct(capture_seq: int, request: Request) -> Response:
        seq, fresh = await operating.correct(capture_seq, await read_struct(request, CorrectPost))
        return answer({"seq": seq}, 201 if fresh else 200)

    @app.post("/api/v1/lanes/{lane}/walk-in")
    async def walk_in(lane: str, request: Request) -> Response:
        inspection, seq, fresh = await operating.walk_in(lane, await read_struct(request, WalkInPost))
        return answer({"inspection": inspection, "seq": seq}, 201 if fresh else 200)
