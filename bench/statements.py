"""Messages to PostgreSQL for one dashboard document, warm, by PostgreSQL's own log: BEGIN and COMMIT count, too.

Each is a round trip. The portal's target is a constant; PostGraphile's count stands beside it.
"""

from bench.dashboard import document, messages_for_one
from bench.figures import Figure, keep
from bench.world import World

MOST = 3  # BEGIN with the settings, who acts with the pool, its members and entries, COMMIT


def bench(world: World) -> list[Figure]:
    """How many messages each sends."""
    with world.portal(document("portal")) as portal, world.postgraphile(document("postgraphile")) as peer:
        ours, theirs = messages_for_one(world, portal), messages_for_one(world, peer)
    figure = Figure(
        "statements", f"{len(ours)}", f"{len(theirs)}", MOST / len(ours), 1,
        f"messages a document; the target is {MOST} or fewer; the peer is PostGraphile, which looks up no membership",
    )  # fmt: skip
    keep(
        "statements",
        [figure],
        {"portal": [_short(one.sql) for one in ours], "postgraphile": [_short(one.sql) for one in theirs]},
    )
    return [figure]


def _short(sql: str) -> str:
    return " ".join(sql.split())[:100]
