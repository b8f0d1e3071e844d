"""A TCP proxy on loopback whose connections can be cut, stalled or slowed down from outside."""

from __future__ import annotations

import socket
import struct
import threading
import time
from contextlib import suppress

BLOCK = 16_384
SLOW_BYTES = 2_048
SLOW_SECONDS = 0.002


class Proxy:
    """Passes bytes between clients and a port of this machine. `with Proxy(5432) as proxy: ... proxy.port`."""

    def __init__(self, port: int) -> None:
        """`port` = where the server listens."""
        self._server = port
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._cut: set[socket.socket] = set()
        self._open = threading.Event()
        self._open.set()
        self._slow = False
        self._acceptor = threading.Thread(target=self._accept, name="proxy", daemon=True)
        self._acceptor.start()

    def __enter__(self) -> Proxy:
        return self

    def __exit__(self, *exc: object) -> None:
        self.release()
        # closing alone doesn't wake who waits in `accept`, and what is accepted last must be closed too
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._acceptor.join()
        self._listener.close()
        self.reset()
        for end in self._cut:
            _close(end)

    def reset(self) -> None:
        """Both ends of every connection get a reset."""
        for pair in self._taken():
            for end in pair:
                with suppress(OSError):
                    end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    end.shutdown(socket.SHUT_RD)  # wakes the thread that reads, and sends nothing
                end.close()

    def half_close(self) -> None:
        """The client reads an end and may go on writing, to nobody; the server loses its client."""
        for client, server in self._taken():
            with suppress(OSError):
                client.shutdown(socket.SHUT_WR)
            _close(server)

    def stall(self) -> None:
        """No byte passes, in no connection, until `release`; connections stay."""
        self._open.clear()

    def slow_down(self) -> None:
        """A few bytes at a time, until `release`."""
        self._slow = True

    def release(self) -> None:
        """Bytes pass again as they come."""
        self._slow = False
        self._open.set()

    def _taken(self) -> list[tuple[socket.socket, socket.socket]]:
        pairs, self._pairs = self._pairs, []
        self._cut.update(end for pair in pairs for end in pair)
        return pairs

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            try:
                server = socket.create_connection(("127.0.0.1", self._server), timeout=5)
            except OSError:
                _close(client)
                continue
            server.settimeout(None)
            self._pairs.append((client, server))
            for here, there in ((client, server), (server, client)):
                threading.Thread(target=self._pump, args=(here, there), name="proxy", daemon=True).start()

    def _pump(self, here: socket.socket, there: socket.socket) -> None:
        with suppress(OSError):
            while block := here.recv(SLOW_BYTES if self._slow else BLOCK):
                self._open.wait()
                if self._slow:
                    time.sleep(SLOW_SECONDS)
                if there not in self._cut:
                    there.sendall(block)
        if there not in self._cut:
            with suppress(OSError):
                there.shutdown(socket.SHUT_WR)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
