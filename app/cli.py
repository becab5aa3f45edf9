"""The `portal` command. Each command imports what it needs when it runs: help and `portal up` start fast."""

import sys
from pathlib import Path
from typing import Annotated, Literal
from uuid import UUID

import typer

app = typer.Typer(
    no_args_is_help=True, add_completion=False, help="The billing portal.", pretty_exceptions_enable=False
)
api_key = typer.Typer(no_args_is_help=True, help="API keys of services.")
ledger = typer.Typer(no_args_is_help=True, help="The credit ledger.")
app.add_typer(api_key, name="api-key")
price_bands = typer.Typer(no_args_is_help=True, help="The price bands of prepaid credits.")
app.add_typer(ledger, name="ledger")
events = typer.Typer(no_args_is_help=True, help="Stripe's events: what came in, what failed, trying it again.")
app.add_typer(events, name="events")
app.add_typer(price_bands, name="price-bands")
refunds = typer.Typer(no_args_is_help=True, help="Refunds that buyers have asked for, and all others.")
app.add_typer(refunds, name="refunds")

ChangedBy = Annotated[
    str, typer.Option("--by", help="Who makes the change, for the history.", show_default="your login name")
]


@app.command()
def up(end_with_parent: Annotated[bool, typer.Option("--end-with-parent", hidden=True)] = False) -> None:
    """Run everything for development: PostgreSQL, the Stripe sandbox, the sign-in, the mailbox, worker and server."""
    from app.commands.up import up as command

    command(end_with_parent=end_with_parent)


@app.command()
def serve(workers: Annotated[int, typer.Option(min=1, max=64, help="Serving processes.")] = 1) -> None:
    """Serve the API and the page."""
    from app.commands.processes import serve as command

    command(workers)


@app.command()
def worker() -> None:
    """Work what waits in the queue: webhooks, receipts, reconciliation, schedules."""
    from app.commands.processes import worker as command

    command()


@app.command(hidden=True)
def services() -> None:
    """Run the embedded services of development; `portal up` starts them."""
    from app.commands.processes import services as command

    command()


@app.command()
def migrate() -> None:
    """Bring the database up to date: tables, roles, policies, catalogue. Again is harmless."""
    from app.commands.database import migrate as command

    command()


@app.command()
def seed() -> None:
    """Fill the database with the demo people and their pools (development only). Again is harmless."""
    from app.commands.database import seed as command

    command()


@app.command()
def reset() -> None:
    """Delete all development data: the embedded PostgreSQL, the Stripe sandbox, the mails (development only)."""
    from app.commands.database import reset as command

    command()


@app.command("db-url")
def db_url(
    role: Annotated[Literal["owner", "app", "worker"], typer.Option(help="Which of the roles.")] = "owner",
) -> None:
    """Print the database's URL for psql."""
    from app.commands.database import url_for_psql

    sys.stdout.write(f"{url_for_psql(role)}\n")


@app.command()
def token(user: Annotated[str, typer.Option(help="The e-mail address of a demo person.")]) -> None:
    """Print a bearer token for a demo person (development only)."""
    from app.commands.access import token as command

    sys.stdout.write(f"{command(user)}\n")


@app.command()
def schema() -> None:
    """Print the GraphQL schema (SDL)."""
    from graphql_schema.schema import schema as graphql_schema

    sys.stdout.write(f"{graphql_schema.as_str()}\n")


@app.command()
def doctor() -> None:
    """Say what is configured, reachable and migrated, and what is not. Exit status 1 if something is wrong."""
    from app.commands.doctor import doctor as command

    raise typer.Exit(0 if command() else 1)


@api_key.command("create")
def api_key_create(
    tenant: Annotated[str, typer.Option(help="The tenant's id.")],
    name: Annotated[str, typer.Option(help="What the key is for.")],
    scope: Annotated[list[str], typer.Option(help="What it may do; can be given several times.")],
    pool: Annotated[
        str | None, typer.Option(help="The only pool that it serves; by default all of the tenant.")
    ] = None,
) -> None:
    """Create an API key and print it, this once: only its hash is kept."""
    from app.commands.access import create_api_key

    sys.stdout.write(f"{create_api_key(tenant, name, scope, pool)}\n")


@app.command()
def reconcile(
    days: Annotated[int, typer.Option(min=1, max=366, help="How far back.")] = 3,
    tenant: Annotated[UUID | None, typer.Option(help="Only this tenant; by default all.")] = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be put right, and change nothing.")
    ] = False,
) -> None:
    """Compare purchases and refunds with Stripe, put right what was left open, name what nobody can explain (exit status 1)."""
    from app.commands.reconciliation import reconcile as command

    raise typer.Exit(0 if command(days, tenant, dry_run=dry_run) else 1)


@ledger.command("audit")
def ledger_audit() -> None:
    """Prove for every pool that its balances follow from its ledger. Exit status 1 if one does not."""
    from app.commands.ledger import audit_ledger

    raise typer.Exit(0 if audit_ledger() else 1)


@ledger.command("rebuild")
def ledger_rebuild(pool: Annotated[UUID, typer.Argument(help="The pool's id.")]) -> None:
    """Restore a pool's balances from its ledger and its holds. The entries themselves are never changed."""
    from app.commands.ledger import rebuild_pool

    rebuild_pool(str(pool))


@events.command("list")
def events_list(
    *,
    parked: Annotated[bool, typer.Option("--parked", help="Given up after 10 tries: they wait for you.")] = False,
    failed: Annotated[bool, typer.Option("--failed", help="Failed the last time; tried again by themselves.")] = False,
    open_: Annotated[bool, typer.Option("--open", help="Not handled and not parked: waiting or failing.")] = False,
    event_type: Annotated[
        str | None, typer.Option("--type", help="Of this type, or of those below it: charge, charge.refunded.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="At most so many, the newest first.")] = 50,
) -> None:
    """List Stripe's events: all of them, or those in the states asked for."""
    from app.commands.events import list_events
    from app.services.webhook_events import State

    asked = {State.PARKED: parked, State.FAILING: failed or open_, State.WAITING: open_}
    list_events(frozenset(state for state, wanted in asked.items() if wanted), event_type, limit)


@events.command("show")
def events_show(event_id: Annotated[str, typer.Argument(metavar="ID", help="The event's id, evt_...")]) -> None:
    """Print one event with its payload, secrets masked."""
    from app.commands.events import show_event

    show_event(event_id)


@events.command("retry")
def events_retry(
    event_ids: Annotated[list[str] | None, typer.Argument(metavar="[ID]...", help="The events' ids.")] = None,
    *,
    all_parked: Annotated[bool, typer.Option("--all-parked", help="Every event that is parked.")] = False,
) -> None:
    """Have events tried again now. Exit status 1 if there is no such event or it has been handled already."""
    from app.commands.events import retry_events

    raise typer.Exit(0 if retry_events(event_ids or [], all_parked=all_parked) else 1)


@price_bands.command("list")
def price_bands_list(
    as_json: Annotated[bool, typer.Option("--json", help="As the file that `set --file` reads.")] = False,
) -> None:
    """Print the price bands in force, each with what its smallest quantity costs."""
    from app.commands.price_bands import show

    show(as_json=as_json)


@price_bands.command("set")
def price_bands_set(
    min_credits: Annotated[str | None, typer.Argument(help="Where the band begins, in credits.")] = None,
    *,
    discount: Annotated[str | None, typer.Option(help="The share taken off the price: 5% or 0.05.")] = None,
    bonus: Annotated[str | None, typer.Option(help="The share of credits given on top: 5% or 0.05.")] = None,
    unit_price_cents: Annotated[int | None, typer.Option(help="What a credit costs before the discount.")] = None,
    file: Annotated[Path | None, typer.Option(help="All bands, as TOML or JSON, in place of those in force.")] = None,
    by: ChangedBy = "",
) -> None:
    """Change or add one price band, or replace all by a file. In force at once; what is sold or quoted keeps its price."""
    from app.commands.price_bands import set_all, set_one

    one_band = [value for value in (min_credits, discount, bonus, unit_price_cents) if value is not None]
    if file is not None and not one_band:
        set_all(file, by)
    elif file is None and min_credits is not None:
        set_one(min_credits, discount, bonus, unit_price_cents, by)
    else:
        raise typer.BadParameter("give either --file, or the quantity where one band begins and what to set.")


@price_bands.command("remove")
def price_bands_remove(
    min_credits: Annotated[str, typer.Argument(help="Where the band begins, in credits.")], by: ChangedBy = ""
) -> None:
    """Remove one price band: the one below it then reaches up to the next."""
    from app.commands.price_bands import remove

    remove(min_credits, by)


@price_bands.command("history")
def price_bands_history(
    last: Annotated[int, typer.Option(min=1, max=1000, help="How many changes.")] = 20,
) -> None:
    """Print who changed the price bands when, from what to what; newest first."""
    from app.commands.price_bands import history

    history(last)


@app.command()
def refund(
    purchase: Annotated[str, typer.Argument(help="The purchase's id, as the API or the page's address has it.")],
    reason: Annotated[str, typer.Option(help="Why, for the records.")],
    amount_cents: Annotated[int | None, typer.Option(help="How much to give back, in cents.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Give back all that is left.")] = False,
    key: Annotated[
        UUID | None, typer.Option(help="Makes repeating safe; by default a new one, which is printed.")
    ] = None,
) -> None:
    """Give money of a purchase back, and take its credits. Exit status 1 if Stripe refuses it."""
    from app.commands.refunds import refund_purchase

    if full == (amount_cents is not None):
        raise typer.BadParameter("say either --amount-cents N or --full", param_hint="--amount-cents / --full")
    raise typer.Exit(0 if refund_purchase(purchase, amount_cents, reason, key) else 1)


@refunds.command("list")
def refunds_list(
    everything: Annotated[bool, typer.Option("--all", help="Those that have ended too.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="How many.")] = 50,
) -> None:
    """List the refunds that wait for a decision or for Stripe, the newest first."""
    from app.commands.refunds import list_refunds

    list_refunds(everything=everything, limit=limit)


@refunds.command("approve")
def refunds_approve(
    refund: Annotated[str, typer.Argument(help="The request's id.")],
    amount_cents: Annotated[int | None, typer.Option(help="Less than all that is left, in cents.")] = None,
) -> None:
    """Approve a buyer's request and give the money back. Exit status 1 if Stripe refuses it."""
    from app.commands.refunds import approve_request

    raise typer.Exit(0 if approve_request(refund, amount_cents) else 1)


@refunds.command("reject")
def refunds_reject(
    refund: Annotated[str, typer.Argument(help="The request's id.")],
    reason: Annotated[str, typer.Option(help="Why; the buyer reads it.")],
) -> None:
    """Decline a buyer's request."""
    from app.commands.refunds import reject_request

    reject_request(refund, reason)


def main() -> None:
    """The entry point: what is expected to go wrong ends with one line, not with a traceback."""
    from app.commands.failures import EXPECTED, one_line, warn_of_unknown_variables

    warn_of_unknown_variables()
    try:
        app()
    except EXPECTED as error:
        sys.stderr.write(f"portal: {one_line(error)}\n")
        sys.exit(1)


if __name__ == "__main__":
    main()
