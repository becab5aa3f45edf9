"""How uvicorn runs the portal: its options, and a protocol that does not wait for ever for a request's headers or the rest of a body."""

import asyncio
from asyncio import TimerHandle
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from app.config import Settings

HEADER_SECONDS = 10.0  # from the first byte of a request (or the connection) to the end of its headers
BODY_SECONDS = 60.0  # for any body at all; who reads one has a shorter deadline and an answer for it
LINGER_SECONDS = 5.0  # for a body that is still coming after it was answered: time to read the answer
READ_SECONDS = 20.0  # in which a client must take some of the answer that is waiting for it
READ_BYTES = 20_000  # how much of it
MAX_HEADER_BYTES = 32_768  # request line and headers; the session cookie has at most 4 kB

_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class _Joining(asyncio.Transport):
    """A connection on which an answer's head waits for its body. uvicorn writes the two by themselves, and each would be a packet of its
    own: a system call more for us, and one that wakes the client for nothing."""

    def __init__(self, transport: asyncio.Transport) -> None:
        super().__init__()
        self._transport = transport
        self._head = b""
        self.is_closing = transport.is_closing  # type: ignore[method-assign]
        self.get_extra_info = transport.get_extra_info  # type: ignore[method-assign]
        self.get_write_buffer_size = transport.get_write_buffer_size  # type: ignore[method-assign]
        self.set_protocol = transport.set_protocol  # type: ignore[method-assign]
        self.pause_reading = transport.pause_reading  # type: ignore[method-assign]
        self.resume_reading = transport.resume_reading  # type: ignore[method-assign]

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            data, self._head = self._head + data, b""
        elif data[:7] == b"HTTP/1." and data[9:12] != b"100":
            self._head = bytes(data)
            return
        self._transport.write(data)

    def flush(self) -> None:
        """Write a head that no body follows."""
        if self._head:
            self._transport.write(self._head)
            self._head = b""

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol with deadlines. Without them a client that sends one byte a second holds a connection as long as it likes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._deadline: TimerHandle | None = None
        self._read_deadline: TimerHandle | None = None
        self._reading_headers = True
        self._body_complete = True
        self._header_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        self._joining = _Joining(transport)
        super().connection_made(self._joining)
        self._cut_after(HEADER_SECONDS, _TOO_SLOW)

    def connection_lost(self, exc: Exception | None) -> None:
        self._cancel()
        self.resume_writing()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._reading_headers:
            self._header_bytes += len(data)  # a body that comes in the same packet counts too, so look before it is fed
        super().data_received(data)
        if self._reading_headers and self._header_bytes > MAX_HEADER_BYTES:
            self._cut(_TOO_LARGE)
        elif self._deadline is None and not self.transport.is_closing():  # most requests come whole, and need none
            if not self._body_complete:
                self._cut_after(BODY_SECONDS)
            elif self._header_bytes:
                self._cut_after(HEADER_SECONDS, _TOO_SLOW)

    def on_headers_complete(self) -> None:
        self._cancel()
        self._reading_headers, self._body_complete = False, False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._body_complete, self._reading_headers, self._header_bytes = True, True, 0
        self._cancel()

    def on_response_complete(self) -> None:
        self._joining.flush()
        super().on_response_complete()
        # The answer may be an earlier request's: then the body that is still coming has its own time.
        if self.cycle.response_complete and not self._body_complete and not self.transport.is_closing():
            self._cut_after(LINGER_SECONDS)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._await_reading()

    def _await_reading(self) -> None:
        waiting = self.transport.get_write_buffer_size()
        self._read_deadline = self.loop.call_later(READ_SECONDS, self._check_reading, waiting)

    def _check_reading(self, waited: int) -> None:
        if waited - self.transport.get_write_buffer_size() < READ_BYTES:
            self.transport.abort()  # close would wait for the client to take the rest
        else:
            self._await_reading()

    def resume_writing(self) -> None:
        if self._read_deadline is not None:
            self._read_deadline.cancel()
            self._read_deadline = None
        super().resume_writing()

    def _cut_after(self, seconds: float, answer: bytes = b"") -> None:
        self._cancel()
        self._deadline = self.loop.call_later(seconds, self._cut, answer)

    def _cancel(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _cut(self, answer: bytes) -> None:
        self._cancel()
        if not self.transport.is_closing():
            if answer and (self.cycle is None or self.cycle.response_complete):
                self.transport.write(answer)
            self.transport.close()


def uvicorn_options(settings: Settings) -> dict[str, Any]:
    """For uvicorn.run("app.main:create_app", **options) or uvicorn.Config: everything but app, workers and sockets."""
    return {
        "factory": True,
        "host": settings.host,
        "port": settings.port,
        "http": BoundedProtocol,
        "loop": "uvloop",
        "ws": "none",
        "lifespan": "on",
        "log_config": None,  # app/logging.py formats uvicorn's records too
        "access_log": False,
        "server_header": False,
        "date_header": True,
        # Forwarded headers are believed from the configured proxies alone; anybody else could name any address.
        "proxy_headers": bool(settings.trusted_proxies),
        "forwarded_allow_ips": settings.trusted_proxies or None,
        "timeout_keep_alive": 15,
        "timeout_graceful_shutdown": 10,
        "limit_concurrency": settings.max_connections,
        "backlog": 1024,
    }
