"""Resident memory of one serving process after 10,000 dashboard documents: bounded, and flat from 5,000 on."""

from bench.dashboard import CONNECTIONS, document
from bench.figures import Figure, keep
from bench.load import run
from bench.world import Server, World

REQUESTS = 10_000
MOST_BYTES = 200e6
MOST_GROWTH_BYTES = 5e6  # of the second half: the allocator's noise is about a megabyte


def bench(world: World) -> list[Figure]:
    """Memory beside PostGraphile's after the same requests."""
    with world.portal(document("portal")) as portal:
        ours = _resident(portal)
    with world.postgraphile(document("postgraphile")) as peer:
        theirs = _resident(peer)
    growth, growth_theirs = ours[2] - ours[1], theirs[2] - theirs[1]
    figures = [
        Figure(
            "memory", f"{ours[2] / 1e6:.0f}MB", f"{theirs[2] / 1e6:.0f}MB", MOST_BYTES / ours[2], 1,
            f"resident after {REQUESTS:,} documents; the target is {MOST_BYTES / 1e6:.0f} MB; the peer is PostGraphile",
        ),
        Figure(
            "memory_growth", f"{growth / 1e6:.1f}MB", f"{growth_theirs / 1e6:.1f}MB", MOST_GROWTH_BYTES / max(growth, 1), 1,
            f"from {REQUESTS // 2:,} documents to {REQUESTS:,}; the target is {MOST_GROWTH_BYTES / 1e6:.0f} MB",
        ),
    ]  # fmt: skip
    keep("memory", figures, {"portal": ours, "postgraphile": theirs, "bytes_after": [0, REQUESTS // 2, REQUESTS]})
    return figures


def _resident(server: Server) -> list[int]:
    """Bytes at the start, after half of the requests and after all of them."""
    found = [server.resident_bytes()]
    for _ in range(2):
        run(server.port, server.requests, connections=CONNECTIONS, total=REQUESTS // 2)
        found.append(server.resident_bytes())
    return found
