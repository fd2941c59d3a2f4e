"""What applications mock HTTP with in their tests, each behind one face, and used as its own documentation has it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, NamedTuple

import httpx
import pytest
import requests_mock
import responses
import respx

from dcrauth import AdobePass


class Seen(NamedTuple):
    """A request that a mock has answered or refused."""

    method: str
    url: str
    authorization: str | None


@dataclass(frozen=True)
class Mock:
    """A mock that is on.

    Parameters:
        answer: has it answer a method at a URL with a status and JSON; the last answer to the same one stays.
        seen: what it was asked for.
    """

    answer: Callable[[str, str, int, Any], None]
    seen: Callable[[], list[Seen]]

    def adobe(self, provider: AdobePass) -> None:
        """Answer registrations and token calls, of which the first two bring two tokens."""
        self.answer("POST", provider.register_url, 201, {"client_id": "id", "client_secret": "secret"})
        for value in ("first", "second"):
            granted = {"access_token": value, "token_type": "bearer", "expires_in": 3600}
            self.answer("POST", provider.token_url, 201, granted)


def _seen(request: Any) -> Seen:
    return Seen(request.method, str(request.url), request.headers.get("Authorization"))


@contextmanager
def _responses(_: pytest.FixtureRequest) -> Iterator[Mock]:
    with responses.RequestsMock(assert_all_requests_are_fired=False) as mock:
        yield Mock(
            lambda method, url, status, content: mock.add(method, url, status=status, json=content) and None,
            lambda: [_seen(call.request) for call in mock.calls],
        )


@contextmanager
def _requests_mock(_: pytest.FixtureRequest) -> Iterator[Mock]:
    with requests_mock.Mocker() as mock:
        listed: dict[tuple[str, str], list[Any]] = {}

        def answer(method: str, url: str, status: int, content: Any) -> None:
            answers = listed.setdefault((method, url), [])
            answers.append({"status_code": status, "json": content})
            mock.register_uri(method, url, answers)

        yield Mock(answer, lambda: [_seen(request) for request in mock.request_history])


@contextmanager
def _respx(_: pytest.FixtureRequest) -> Iterator[Mock]:
    with respx.mock(assert_all_called=False) as mock:
        listed: dict[tuple[str, str], list[httpx.Response]] = {}

        def answer(method: str, url: str, status: int, content: Any) -> None:
            answers = listed.setdefault((method, url), [])
            answers.append(httpx.Response(status, json=content))
            mock.route(method=method, url=url).mock(side_effect=_in_turn(answers))

        yield Mock(answer, lambda: [_seen(call.request) for call in mock.calls])


def _in_turn(answers: list[httpx.Response]) -> Callable[[httpx.Request], httpx.Response]:
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]


@contextmanager
def _pytest_httpx(request: pytest.FixtureRequest) -> Iterator[Mock]:
    mock = request.getfixturevalue("httpx_mock")
    yield Mock(
        lambda method, url, status, content: mock.add_callback(
            lambda _: httpx.Response(status, json=content), method=method, url=url, is_optional=True, is_reusable=True
        ),
        lambda: [_seen(each) for each in mock.get_requests()],
    )


MOCKS: dict[str, tuple[Callable[[pytest.FixtureRequest], Any], tuple[str, ...]]] = {
    "responses": (_responses, ("requests",)),
    "requests-mock": (_requests_mock, ("requests",)),
    "respx": (_respx, ("httpx", "httpx-asyncio", "httpx-trio")),
    "pytest-httpx": (_pytest_httpx, ("httpx", "httpx-asyncio")),
}
"""Each with the clients that it is for."""
