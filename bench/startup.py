"""How long `portal up` takes until the portal is ready: with an empty data directory (cold) and the second time (warm).

Cold makes the cluster, migrates and seeds the demo people through the Stripe sandbox; warm finds all that done.
"""

import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from statistics import median

from app.config import PREFIX, PROJECT
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.processes import dies_with_parent
from bench.figures import Figure, keep
from bench.world import ENVIRONMENT, World, answers, free_port

WARM_SECONDS = 3.0  # the demand
COLD_SECONDS = 30.0
WARM_STARTS = 3


def bench(_: World) -> list[Figure]:
    """Seconds of a first start, and of the median of the later ones."""
    with tempfile.TemporaryDirectory(prefix="portal-bench-") as directory:
        try:
            cold = _start(Path(directory))
            warm = [_start(Path(directory)) for _ in range(WARM_STARTS)]
        finally:
            EmbeddedPostgres(Path(directory)).destroy()
    figures = [_figure("startup_cold", cold, COLD_SECONDS), _figure("startup_warm", median(warm), WARM_SECONDS)]
    keep("startup", figures, {"cold_seconds": cold, "warm_seconds": warm})
    return figures


def _figure(name: str, seconds: float, most: float) -> Figure:
    return Figure(name, f"{seconds:.1f}s", f"{most:.0f}s", most / seconds, 1, "the peer is the demand itself")


def _start(data_dir: Path) -> float:
    """Run `portal up` until /readyz answers 200, then stop it; seconds until that answer."""
    names = ("port", "services_port", "smtp_port")
    settings = {"data_dir": str(data_dir), **{name: str(free_port()) for name in names}}
    began = time.monotonic()
    with (data_dir / "up.log").open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", "--end-with-parent"],
            cwd=PROJECT,
            env=ENVIRONMENT | {PREFIX + name.upper(): value for name, value in settings.items()},
            stdout=output,
            stderr=output,
            preexec_fn=dies_with_parent(),  # noqa: PLW1509
        )
    try:
        while not answers(f"http://127.0.0.1:{settings['port']}/readyz", statuses=(200,)):
            if process.poll() is not None or time.monotonic() - began > 120:
                raise RuntimeError(f"portal up did not start: {(data_dir / 'up.log').read_text()[-500:]}")
            time.sleep(0.02)
        return time.monotonic() - began
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(60)
