"""A server of `socketserver`, or of werkzeug, that answers on a thread of its own."""

from __future__ import annotations

import threading
from typing import Any, Self


class InThread:
    """Has a server answer as long as a ``with``.

    Parameters:
        server: one that listens on 127.0.0.1 already.

    Attributes:
        url: where it is.
    """

    def __init__(self, server: Any) -> None:
        self._server = server
        self._thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{server.server_address[1]}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self._server.shutdown()
        self._thread.join(20)
        self._server.server_close()
