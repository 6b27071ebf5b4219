"""The application of `rltf view`: addresses, headers, and who may ask.

Answers GET from this machine only. No page may load anything from elsewhere, run a script that is not a file
of ours, or write markup from one (Content-Security-Policy, Trusted Types). A report page that lies in a run
folder runs its own scripts, and does so in a sandboxed frame of no origin and without network.
Covers: Host, Origin and Sec-Fetch-Site. Does not cover: listening on a port (`harness.commands.view`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from urllib.parse import parse_qsl

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from harness.errors import InputError
from harness.report.columns import ALL
from harness.report.page import page_script, page_style
from harness.server.hang_ups import App, Message, Receive, Scope, Send
from harness.server.origins import Origins, Refusal
from harness.text import one_line
from harness.view import pages
from harness.view.boards import Asked
from harness.view.places import Found, NotThereError, Root
from harness.view.problems import Problems
from harness.view.programs import Programs
from harness.view.runs import Runs, RunSummary
from harness.view.trainings import Trainings, TrainingSummary

POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " frame-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none';"
    " require-trusted-types-for 'script'; trusted-types 'none'"
)
FRAMED_POLICY = (
    "sandbox allow-scripts; default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline';"
    " base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
"""Of a report page that a folder holds: whoever wrote the folder wrote it. It has no origin, so it reads
nothing of ours, and it may fetch nothing."""
_HEADERS = {
    "content-security-policy": POLICY,
    "cache-control": "no-store",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
}
REPORT = "report.html"


def create_app(folder: Path, data_dir: Path | None = None) -> App:
    """The ASGI application over the runs below `folder`.

    Args:
        folder: Nothing outside it is read but the benchmarks' data.
        data_dir: Of the benchmarks; `None` for `$RLTF_DATA`.

    Raises:
        InputError: If it is no folder.
    """
    return _Guarded(_View(Root(folder), data_dir).application())


class _View:
    """Answers, each made from what the files hold when it is asked for."""

    def __init__(self, root: Root, data_dir: Path | None) -> None:
        self._root = root
        self._runs, self._trainings = Runs(root), Trainings(root)
        self._programs, self._problems = Programs(root), Problems(data_dir)

    def application(self) -> Starlette:
        pages_by_path: Mapping[str, Callable[[Request], Response]] = {
            "/": self.leaderboard,
            "/run": self.run,
            "/compare": self.compare,
            "/training": self.training,
            "/report": self.report,
            "/file": self.file,
            "/api/version": self.version,
            "/api/programs": self.programs,
            "/api/problem": self.problem,
            "/api/facts": self.facts,
            "/api/training": self.training_now,
            "/assets/{name}": _asset,
        }
        routes = [Route(path, _answering(answer)) for path, answer in pages_by_path.items()]
        return Starlette(routes=routes)

    # --- pages -------------------------------------------------------------------------------------

    def leaderboard(self, request: Request) -> Response:
        given = _query(request)
        asked = Asked(
            given.get("words", "")[:200],
            given.get("benchmark", ""),
            given.get("state", ""),
            given.get("profile", ""),
            given.get("level", ALL),
        )
        found = self._root.find()
        return HTMLResponse(pages.leaderboard(self._root, found, *self._all(found), asked))

    def run(self, request: Request) -> Response:
        summary = self._runs.summary(_name(request))
        return HTMLResponse(pages.run_page(summary, has_report=self._root.has(summary.folder, REPORT)))

    def compare(self, request: Request) -> Response:
        first, second = self._pair(request)
        for each in (first, second):
            if each.run is None:
                raise InputError(f"{each.name} has no numbers yet ({each.state})")
        a, b = (replace(each.run, name=each.name) for each in (first, second) if each.run)
        return HTMLResponse(pages.comparison(first, second, a, b))

    def training(self, request: Request) -> Response:
        training = self._trainings.summary(_name(request))
        runs, _ = self._all(self._root.find())
        runs = [each for each in runs if training.folder in each.folder.parents]
        page = pages.training_page(training, runs, has_report=self._root.has(training.folder, REPORT))
        return HTMLResponse(page)

    def report(self, request: Request) -> Response:
        name = _name(request)
        folder = self._root.folder(name)
        self._root.file(folder, REPORT)
        back = "/run" if self._root.has(folder, "manifest.json") else "/training"
        return HTMLResponse(pages.framed(name, pages.link(back, name)))

    def file(self, request: Request) -> Response:
        """The report page that a folder holds, as it is."""
        path = self._root.file(self._root.folder(_name(request)), REPORT)
        return HTMLResponse(path.read_bytes(), headers={"content-security-policy": FRAMED_POLICY})

    # --- what the pages fetch ----------------------------------------------------------------------

    def version(self, _: Request) -> Response:
        return _json({"version": pages.version_of(*self._all(self._root.find()))})

    def programs(self, request: Request) -> Response:
        return _json(self._programs.index(self._one_or_two(request)))

    def problem(self, request: Request) -> Response:
        return _json(self._programs.problem(self._one_or_two(request), _query(request).get("task", "")))

    def facts(self, request: Request) -> Response:
        summary = self._one_or_two(request)[0]
        try:
            return _json(self._problems.facts(summary, _query(request).get("task", "")))
        except NotThereError as error:  # as is usual for data that is elsewhere
            return _json({"missing": str(error)})

    def training_now(self, request: Request) -> Response:
        return _json(pages.training_json(self._trainings.summary(_name(request))))

    # --- what they are about -----------------------------------------------------------------------

    def _all(self, found: Found) -> tuple[list[RunSummary], list[TrainingSummary]]:
        """The runs and trainings that are still there."""
        runs, trainings = [], []
        for name in found.runs:
            with suppress(NotThereError, OSError):
                runs.append(self._runs.summary(name))
        for name in found.trainings:
            with suppress(NotThereError, OSError):
                trainings.append(self._trainings.summary(name))
        return runs, trainings

    def _pair(self, request: Request) -> tuple[RunSummary, RunSummary]:
        names = _names(request)
        if len(names) != 2 or len(set(names)) != 2:
            raise InputError(f"two runs are compared, and {len(set(names))} are chosen")
        return self._runs.summary(names[0]), self._runs.summary(names[1])

    def _one_or_two(self, request: Request) -> list[RunSummary]:
        return [self._runs.summary(name) for name in _names(request)[:2]] or [self._runs.summary("")]


class _Guarded:
    """Lets a request through that this machine's own browser makes for our own pages."""

    def __init__(self, app: App) -> None:
        self._app, self._origins = app, Origins()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
        elif scope["type"] == "http":
            await self._checked(scope, receive, send)

    async def _checked(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}

        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = {name for name, _ in message["headers"]}
                more = [(n.encode(), v.encode()) for n, v in _HEADERS.items() if n.encode() not in given]
                message = {**message, "headers": [*message["headers"], *more]}
            await send(message)

        app = self._app
        try:
            self._origins.check(headers)
            if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
                raise Refusal(403, "requests from pages of other sites are not answered")
            if scope["method"] not in ("GET", "HEAD"):
                raise Refusal(405, "this server is for reading only")
        except Refusal as refusal:
            app = PlainTextResponse(refusal.detail + "\n", refusal.status)
        await app(scope, receive, sending)


def _answering(answer: Callable[[Request], Response]) -> Callable[[Request], Response]:
    """An answer whose failures are a line: on a page, or for a script."""

    def answered(request: Request) -> Response:
        try:
            return answer(request)
        except NotThereError as error:
            status, line = 404, f"There is no {error} here." if _is_page(request) else str(error)
        except InputError as error:
            status, line = 422, str(error)
        except OSError as error:
            status, line = 404, f"A file can't be read: {error.strerror}"
        if _is_page(request):
            return HTMLResponse(pages.problem_page(status, one_line(line)), status)
        return _json({"detail": one_line(line)}, status)

    return answered


def _is_page(request: Request) -> bool:
    return not request.url.path.startswith("/api/")


def _query(request: Request) -> dict[str, str]:
    return dict(_pairs(request))


def _names(request: Request) -> list[str]:
    return [value for name, value in _pairs(request) if name == "name"]


def _name(request: Request) -> str:
    return _query(request).get("name", "")


def _pairs(request: Request) -> list[tuple[str, str]]:
    """Names of folders may be no UTF-8."""
    text = request.scope["query_string"].decode("latin-1")
    try:
        return parse_qsl(text, keep_blank_values=True, errors="surrogateescape", max_num_fields=20)
    except ValueError:
        raise InputError("this address has too many parts") from None


def _json(content: object, status: int = 200) -> Response:
    return Response(json.dumps(content, separators=(",", ":")), status, media_type="application/json")


def _asset(request: Request) -> Response:
    name = request.path_params["name"]
    if name not in _ASSETS:
        raise NotThereError(name)
    make, kind = _ASSETS[name]
    return Response(make(), media_type=kind)


def _own(name: str) -> str:
    return files("harness.view").joinpath("assets", name).read_text(encoding="utf-8")


_ASSETS: Mapping[str, tuple[Callable[[], str], str]] = {
    "page.css": (page_style, "text/css"),
    "page.js": (page_script, "text/javascript"),
    "view.css": (lambda: _own("view.css"), "text/css"),
    "view.js": (lambda: _own("view.js"), "text/javascript"),
    "icon.svg": (lambda: _own("icon.svg"), "image/svg+xml"),
}
