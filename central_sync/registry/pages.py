"""The office pages, as the web workspace built them."""

import os
from pathlib import Path

from fastapi import FastAPI
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.staticfiles import StaticFiles

HOW_TO_BUILD = """<!doctype html><html lang="zh-CN"><meta charset="utf-8"><title>查验 Chayan</title>
<body style="font:16px/1.6 sans-serif;max-width:40em;margin:3em auto;padding:0 1em">
<h1>页面尚未构建</h1>
<p>登记库正在运行,接口在 <code>/v1/</code>。
在源码目录运行 <code>make pages</code> 后重新启动,即可打开监管中心页面。</p>
<h1 lang="en">The pages have not been built</h1>
<p lang="en">The registry is running; its interface is below <code>/v1/</code>.
Run <code>make pages</code> in the source folder and start again to open the office page.</p>
</body></html>
"""


class Hashed(StaticFiles):
    """Files whose names change with their content."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, *args: object, **more: object
    ) -> Response:
        response: Response = super().file_response(full_path, stat_result, *args, **more)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "public, max-age=31536000, immutable"
        return response


class Fresh(StaticFiles):
    """Pages that are asked for anew each time."""

    def file_response(
        self, full_path: str | os.PathLike[str], stat_result: os.stat_result, *args: object, **more: object
    ) -> Response:
        response: Response = super().file_response(full_path, stat_result, *args, **more)  # type: ignore[arg-type]
        response.headers["Cache-Control"] = "no-cache"
        return response


def add_pages(app: FastAPI, pages: Path | None) -> None:
    """``/office/`` and its assets; without built pages, one that says how to build them."""
    if pages is None or not (pages / "office" / "index.html").is_file():
        for path in ("/", "/office/"):
            app.add_api_route(path, _how_to_build, include_in_schema=False)
        return
    app.add_api_route("/", _to_office, include_in_schema=False)
    app.mount("/assets", Hashed(directory=pages / "assets", check_dir=False))
    app.mount("/office", Fresh(directory=pages / "office", html=True))


def _how_to_build() -> HTMLResponse:
    return HTMLResponse(HOW_TO_BUILD)


def _to_office() -> RedirectResponse:
    return RedirectResponse("office/", 307)
