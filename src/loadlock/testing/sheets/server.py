"""HTTP on loopback: threads, keep-alive, and connections that can be cut."""

from __future__ import annotations

import os
import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from loadlock.testing.sheets.control import CONTROL, controlled
from loadlock.testing.sheets.errors import ApiError, bad
from loadlock.testing.sheets.service import Answer, Request, Service, error_answer

_DRAINED_BYTES = 64 * 1024 * 1024
"""Of a body above the payload limit so much is read, so that the client hears the refusal."""


class HttpServer(ThreadingHTTPServer):
    """Serves one emulator on a port of 127.0.0.1. `stop` ends it with all connections and threads."""

    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, port: int) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.service: Service
        self._connections: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), name="sheets-emulator", daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def start(self, service: Service) -> None:
        self.service = service
        self._thread.start()

    def stop(self) -> None:
        self.service.stopping.set()
        self.shutdown()
        self._thread.join()
        with self._lock:
            open_now = list(self._connections)
        for connection in open_now:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # its thread has just closed it
        self.server_close()

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._connections.discard(request)
        super().shutdown_request(request)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Clients that go away are part of the tests; anything else is a defect and is shown."""
        import sys

        if not isinstance(sys.exc_info()[1], ConnectionError | TimeoutError | ValueError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    server: HttpServer
    protocol_version = "HTTP/1.1"
    server_version = "loadlock-sheets-emulator"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_PUT(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        try:
            body = self._body()
        except ApiError as error:
            self.close_connection = True
            self._send(error_answer(error))
            return
        authorization = self.headers.get("Authorization", "")
        request = Request(method=self.command, target=self.path, authorization=authorization, body=body)
        control = self.path.startswith(CONTROL)
        answer = controlled(self.server.service, request) if control else self.server.service.answer(request)
        self._send(answer)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding"):
            raise ApiError(501, "The emulator does not know Transfer-Encoding; send a Content-Length.")
        length = int(self.headers.get("Content-Length") or 0)
        limit = self.server.service.settings.limits.payload_bytes
        if length > limit and not self.path.startswith(CONTROL):
            left = min(length, _DRAINED_BYTES)
            while left > 0 and (part := self.rfile.read(min(left, 1 << 20))):
                left -= len(part)
            raise bad(f"Request payload size exceeds the limit: {limit} bytes.")
        body = self.rfile.read(length) if length else b""
        if len(body) < length:
            raise ConnectionResetError("the client went away within its request")
        return body

    def _send(self, answer: Answer) -> None:
        if answer.cut == "reset":
            self._reset()
            return
        if answer.cut == "close":
            self.close_connection = True
            return
        body = answer.body
        self.close_connection = self.close_connection or answer.cut == "truncate"
        self.send_response(answer.status)
        self.send_header("Content-Type", "application/json; charset=UTF-8")
        self.send_header("Content-Length", str(len(body)))
        for name, value in answer.headers.items():
            self.send_header(name, value)
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        if answer.cut == "truncate":
            body = body[: len(body) // 2]
        self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection with RST: close the socket itself, without the FIN of an orderly end."""
        self.close_connection = True
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        os.close(self.connection.detach())

    def log_message(
        self,
        format: str,  # noqa: A002 - the base class names it
        *args: Any,
    ) -> None:
        """Requests are in the emulator's own log."""
