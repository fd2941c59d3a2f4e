"""Routes of one's own: APIs of the tester beside those of Adobe Pass."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from dcrauth._internal.arguments import check_function
from dcrauth.errors import ConfigurationError
from dcrauth.simulator.fields import check_fields, check_json
from dcrauth.simulator.messages import Call, Reply, as_sent, check_sendable

Answering = Callable[..., Reply | Any]

_OWN = frozenset({"/", "/openapi.json"})
_METHOD = re.compile(r"[A-Z]+|\*")
_PLACEHOLDER = re.compile(r"\\\{([A-Za-z_]\w*)\\\}")


@dataclass(frozen=True)
class Route:
    """One route.

    Parameters:
        method: HTTP method, or ``*`` for any.
        path: its path below the base path; ``{name}`` stands for one segment.
        answer: what is answered, or a function of the call and the segments that returns it: a `Reply`, or a value for
            an answer in JSON with status 200.
        protected: whether a token is asked for, as by the APIs of Adobe Pass.

    Raises:
        ConfigurationError: the method or the path cannot be one, or the answer cannot be sent.
    """

    method: str
    path: str
    answer: Any
    protected: bool = True

    def __post_init__(self) -> None:
        check_fields(self)
        if not _METHOD.fullmatch(self.method):
            raise ConfigurationError(f"{self.method!r} is no method of a route: GET, POST, …, or * for any")
        if not re.fullmatch(r"/[^?#\s]*", self.path) or self.path in _OWN or self.path.startswith("/control/"):
            raise ConfigurationError(
                f"{self.path!r} is no path of a route: it begins with /, has no query, and is neither / nor "
                "/openapi.json nor below /control/, which are the simulator's own"
            )
        try:
            _pattern(self.path)
        except re.error:
            raise ConfigurationError(f"The route {self.path!r} has two segments of one name") from None
        if callable(self.answer):
            check_function(self.answer, "answer", "a Reply, a value for JSON, or a function of a call that returns one")
        else:
            sendable(self.answer)

    def matches(self, call: Call) -> dict[str, str] | None:
        """Return the segments that stand for the names in the path, or None where *call* is another's."""
        if self.method not in {"*", call.method}:
            return None
        found = _pattern(self.path).fullmatch(call.path)
        return None if found is None else {name: unquote(text) for name, text in found.groupdict().items()}

    def answered(self, call: Call, segments: dict[str, str]) -> Any:
        """Return what it has for *call*: a `Reply`, or a value for JSON."""
        return self.answer(call, **segments) if callable(self.answer) else self.answer


def sendable(answer: Any) -> Reply:
    """Return what a route has for a call as a reply.

    Raises:
        ConfigurationError: it cannot be sent.
    """
    if isinstance(answer, Reply):
        check_sendable(answer)
        return answer
    check_json(answer, "the answer")
    return Reply.json(200, answer)


@cache
def _pattern(path: str) -> re.Pattern[str]:
    """Return what paths of calls look like, in which whatever is not ASCII is encoded."""
    return re.compile(_PLACEHOLDER.sub(r"(?P<\1>[^/]+)", re.escape(as_sent(path))))
