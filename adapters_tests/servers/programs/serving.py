"""What a program that runs somebody else's server needs: a socket, an API with a token, and an end.

The program prints one line of JSON, the facts of the server, and serves until its standard input ends or five minutes
are over, whichever is first. Beside the server's own paths there are those below ``/test/``, for the tests alone.
"""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from werkzeug.serving import WSGIRequestHandler, make_server

LONGEST = 300.0
Wsgi = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]


@dataclass
class Steering:
    """What the tests do to a server from outside.

    Parameters:
        grant_of: returns what a token stands for, or None where it is not good.
        orders: what is done by the name of its path, with the body of the call; returns what is answered.
    """

    grant_of: Callable[[str], dict[str, Any] | None]
    orders: dict[str, Callable[[str], str | None]] = field(default_factory=dict)

    def around(self, server: Wsgi) -> Wsgi:
        """Return *server* with the paths of the tests."""

        def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
            path = environ["PATH_INFO"]
            if not path.startswith("/test/"):
                return server(environ, start_response)
            if path == "/test/api":
                return self._api(environ, start_response)
            body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0)).decode()
            told = self.orders[path.removeprefix("/test/")](body) or ""
            start_response("200 OK", [("Content-Type", "text/plain")])
            return [told.encode()]

        return application

    def _api(self, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        scheme, _, token = environ.get("HTTP_AUTHORIZATION", "").partition(" ")
        found = self.grant_of(token) if scheme.lower() == "bearer" else None
        if found is None:
            challenge = 'Bearer error="invalid_token"' if scheme.lower() == "bearer" else "Bearer"
            start_response("401 Unauthorized", [("WWW-Authenticate", challenge)])
            return [b""]
        start_response("200 OK", [("Content-Type", "application/json")])
        return [json.dumps(found).encode()]


class _Quiet(WSGIRequestHandler):
    """Says nothing of its calls."""

    def log(self, *arguments: Any) -> None:
        """Say nothing."""


def listening() -> tuple[socket.socket, str]:
    """Return a socket on a free port, and the URL of what will be there."""
    bound = socket.socket()
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind(("127.0.0.1", 0))
    bound.listen(128)
    return bound, f"http://127.0.0.1:{bound.getsockname()[1]}"


def serve(bound: socket.socket, application: Wsgi, **facts: Any) -> None:
    """Tell the facts, and serve."""
    port = bound.getsockname()[1]
    server = make_server("127.0.0.1", port, application, threaded=True, request_handler=_Quiet, fd=bound.fileno())
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()
    for ending in (_at_end_of_input, _in_time):
        threading.Thread(target=ending, daemon=True).start()
    server.serve_forever()


def _at_end_of_input() -> None:
    sys.stdin.buffer.read()
    os._exit(0)


def _in_time() -> None:
    threading.Event().wait(LONGEST)
    os._exit(1)
