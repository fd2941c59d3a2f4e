"""A world's server on a socket, for what has to go over a transport."""

from __future__ import annotations

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from adapters_tests.common.in_thread import InThread
from adapters_tests.common.world import World
from dcrauth.providers.protocol import Request


class ServedWorld(InThread):
    """Answers on 127.0.0.1 as a world's server does, over connections that are kept; use it with ``with``."""

    def __init__(self) -> None:
        super().__init__(ThreadingHTTPServer(("127.0.0.1", 0), self._answering()))
        self.world = World()

    def _answering(served) -> type[BaseHTTPRequestHandler]:  # noqa: N805  # self is the other one
        class Answering(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_POST(self) -> None:
                url, body = served.url + self.path, self.rfile.read(int(self.headers["Content-Length"]))
                answer = served.world.answer(Request(url, dict(self.headers), body, endpoint=url))
                self.send_response(answer.status)
                self.send_header("Content-Length", str(len(answer.body)))
                self.end_headers()
                self.wfile.write(answer.body)

            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        return Answering
