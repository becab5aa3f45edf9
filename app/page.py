"""The page: what `make page` built into frontend/dist.

Every address of the page's own gets index.html; its router takes over from there.
"""

from html import escape
from pathlib import Path

from starlette.exceptions import HTTPException
from starlette.responses import FileResponse, HTMLResponse, Response
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from app.config import PROJECT, Settings
from app.edge import content_security_policy

DIST = PROJECT / "frontend" / "dist"
PLAYGROUND = "graphiql.html"
FOR_EVER = "public, max-age=31536000, immutable"  # the names of assets carry a hash of what is in them
ASK_EACH_TIME = "no-cache"  # kept, but asked for with its ETag


class Page(StaticFiles):
    """Serves the built page, or says why there is none."""

    def __init__(self, settings: Settings, directory: Path = DIST) -> None:
        super().__init__(directory=directory, check_dir=False)
        self._directory = directory
        self._settings = settings

    async def check_config(self) -> None:
        """A directory that is not there is answered for, each time: the page may be built while the portal runs."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        if scope["method"] not in {"GET", "HEAD"}:
            raise HTTPException(405, headers={"Allow": "GET, HEAD"})
        if path == PLAYGROUND:
            raise HTTPException(404)
        if not (self._directory / "index.html").is_file():
            return missing(self._settings)
        try:
            response = await super().get_response(path, scope)
        except HTTPException as refusal:
            if refusal.status_code != 404 or path.startswith("assets/") or not _is_navigation(scope):
                raise
            response = await super().get_response("index.html", scope)
        response.headers["Cache-Control"] = FOR_EVER if path.startswith("assets/") else ASK_EACH_TIME
        return response


def playground(settings: Settings, directory: Path = DIST) -> Response:
    """GraphiQL, bundled with the page; in development."""
    file = directory / PLAYGROUND
    if not file.is_file():
        return missing(settings)
    policy = content_security_policy(settings, playground=True)
    return FileResponse(file, headers={"Cache-Control": ASK_EACH_TIME, "Content-Security-Policy": policy})


def missing(settings: Settings) -> Response:
    """503: the page was not built. In development with the end of the log that says why."""
    log = settings.data_dir / "page-build.log"
    why = ""
    if settings.env == "development" and log.is_file():
        with log.open(errors="replace") as lines:
            why = f"<p>What the build said last:</p><pre>{escape(''.join(lines.readlines()[-30:]))}</pre>"
    return HTMLResponse(
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>The page is not built</title>"
        "<h1>The page is not built</h1>"
        "<p>The API works all the same, at <code>/graphql</code>. <code>make page</code> builds the page; "
        "it needs the packages of <code>frontend/package-lock.json</code>, from the npm registry or a mirror of it.</p>"
        f"{why}</html>",
        status_code=503,
        headers={"Cache-Control": "no-store"},
    )


def _is_navigation(scope: Scope) -> bool:
    """A browser that asks for a page, not a script for a file."""
    accept = next((value for name, value in scope["headers"] if name == b"accept"), b"")
    return b"text/html" in accept
