"""What `portal up` says when everything runs: where things are, and whom to sign in as."""

from rich.console import Console
from rich.table import Table

from app.config import PROJECT, Settings
from app.embedded.demo_people import PEOPLE


def welcome(settings: Settings, seconds: float) -> None:
    """Print the addresses and the demo people. `seconds`: how long the start took."""
    console = Console(highlight=False)
    services = f"http://127.0.0.1:{settings.services_port}"
    places = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    built = (PROJECT / "frontend" / "dist" / "index.html").is_file()
    places.add_row("[bold]Portal[/]", settings.public_url + ("" if built else "  [yellow](the page is not built)[/]"))
    places.add_row("GraphQL", f"{settings.public_url}/graphql  (in a browser: GraphiQL)")
    places.add_row("Mailbox", f"{services}/mailbox/")
    places.add_row("Database", 'psql "$(portal db-url)"')
    places.add_row("Logs", str(settings.data_dir / "logs"))
    people = Table(
        title="Sign in as", title_justify="left", title_style="bold", header_style="dim", box=None, padding=(0, 2, 0, 0)
    )
    for heading in ("Who", "E-mail", "Where", "Role"):
        people.add_column(heading)
    for person in PEOPLE:
        people.add_row(person.display_name, person.email, person.tenant_name, person.role)
    console.print()
    console.print(places)
    console.print()
    console.print(people)
    console.print(f"\nStarted in {seconds:.1f} s. Ctrl-C stops everything; the data stays until [bold]make reset[/].\n")
