"""The record of calls, and what a test wants to know of it."""

from fnmatch import fnmatchcase

from dcrauth.simulator.fields import as_said, check_range
from dcrauth.simulator.messages import Call, Endpoint, as_sent


class Calls(tuple[Call, ...]):
    """Calls in the order in which they were answered: a tuple, with questions that a test asks.

    All of these take the same filters: *endpoint* ("register", "token" or "api"; of an `OAuthSimulator`
    "discovery" or "manage", too), *method*, *path* (``*`` and ``?`` stand for any characters), *status*,
    *environment*. One that no call can have, such as an endpoint that there is not, is a `ConfigurationError`.
    """

    __slots__ = ()

    def only(
        self,
        endpoint: str | None = None,
        *,
        method: str | None = None,
        path: str | None = None,
        status: int | None = None,
        environment: str | None = None,
    ) -> "Calls":
        """Return those that fit."""
        as_said(endpoint, Endpoint | None, "endpoint")
        as_said(status, int | None, "status")
        for name, text in (("method", method), ("path", path), ("environment", environment)):
            as_said(text, str | None, name)
        method = method and method.upper()
        wanted = {"endpoint": endpoint, "method": method, "status": status, "environment": environment}
        asked = [(name, value) for name, value in wanted.items() if value is not None]
        return Calls(
            call
            for call in self
            if all(getattr(call, name) == value for name, value in asked)
            and (path is None or fnmatchcase(call.path, as_sent(path)))
        )

    def one(self, endpoint: str | None = None, **filters: str | int) -> Call:
        """Return the only one that fits.

        Raises:
            AssertionError: none fits, or several do; the message lists all calls.
        """
        return self.exactly(1, endpoint, **filters)[0]

    def exactly(self, count: int, endpoint: str | None = None, **filters: str | int) -> "Calls":
        """Return those that fit, which are so many.

        Raises:
            AssertionError: another number fits; the message lists all calls.
        """
        check_range(as_said(count, int, "count"), "count", 0)
        found = self.only(endpoint, **filters)  # type: ignore[arg-type]  # its names and types are checked there
        if len(found) != count:
            asked = ", ".join(filter(None, [endpoint, *(f"{name}={value!r}" for name, value in filters.items())]))
            raise AssertionError(f"{len(found)} calls, not {count}, fit ({asked or 'any'}); all calls:\n{self}")
        return found

    def assert_endpoints(self, *endpoints: str) -> None:
        """Fail unless these endpoints were called, in this order and no others.

        Raises:
            AssertionError: it was otherwise; the message lists all calls.
        """
        if endpoints != tuple(call.endpoint for call in self):
            raise AssertionError(f"The calls were not {', '.join(endpoints) or 'none'}; all calls:\n{self}")

    def __str__(self) -> str:
        return "\n".join(map(_line, self)) or "(none)"


def _line(call: Call) -> str:
    """One call on a line, without its query, which may hold a secret."""
    where = f"/{call.environment}{call.path}" if call.environment else call.path
    why = f": {call.why}" if call.why else ""
    return f"{call.number}. {call.method} {where} → {call.status or 'no answer'}{why}"
