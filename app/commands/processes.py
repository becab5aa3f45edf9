"""The long-running processes: server, worker, embedded services."""

import gc
import multiprocessing
import os
import signal
from contextlib import nullcontext

from starlette.applications import Starlette

from app.commands.failures import CommandError
from app.embedded.processes import bind_to_parent
from app.environment import load_settings


def serve(workers: int) -> None:
    """Serve with one process, or with several that share the port. Settings are checked here, before any of them starts."""
    import uvicorn

    from app.metrics import counted_together
    from app.serving import uvicorn_options

    settings = load_settings()
    with counted_together() if settings.metrics_token and workers > 1 else nullcontext():
        uvicorn.run("app.commands.processes:application", workers=workers, **uvicorn_options(settings))


def application() -> Starlette:
    """The application of one serving process."""
    if multiprocessing.parent_process() is not None:  # one of several: it ends with the process that started it
        bind_to_parent(os.getppid(), signal.SIGKILL)
    gc.disable()  # a start makes half a million objects that stay; collecting among them takes a tenth of its time
    try:
        from app.main import create_app

        return create_app()
    finally:
        gc.enable()
        gc.freeze()  # what is here now stays: no later collection looks at it
        # A request's objects are nearly all freed by their counts; looking for cycles after every 700 of them is a tenth of its time.
        gc.set_threshold(20_000, 10, 10)


def worker() -> None:
    """Work the queue until a signal ends it."""
    import uvloop

    from app.jobs.worker import run
    from app.logging import configure_logging

    settings = load_settings()
    configure_logging(production=settings.env == "production")
    os.nice(10)  # where a server runs on the same machine, whoever waits for its answer comes first
    uvloop.run(run(settings))


def services() -> None:
    """Run the embedded services until a signal ends them."""
    settings = load_settings()
    if settings.env == "production":
        raise CommandError("the embedded services are for development; PORTAL_ENV is production")
    from app.embedded.services import serve as serve_embedded

    serve_embedded(settings)
