"""What the programs in docs/examples are asked for, as a suite of an application's: it has the pytest plugin only.

``test_examples.py`` runs it in a pytest of its own, in a folder with the programs and ``cases.json``: calls, headers,
and whether a call needs the header.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import aiohttp
import entitlements_aiohttp
import entitlements_httpx
import httpx
import pytest

from dcrauth import ConfigurationError, MemoryStore, Rejected
from dcrauth.simulator import Behaviour, Fault, Simulator

CASES = json.loads(Path("cases.json").read_text(encoding="utf-8"))
REFUSALS = {
    "Authorization": (401, "invalid_access_token_client_application", "application-registration"),
    "AP-Device-Identifier": (400, "invalid_header_device_identifier", "none"),
    "X-Device-Info": (400, "invalid_header_device_info", "none"),
    "Content-Type": (400, "invalid_header", "none"),
}
"""Status, code and action of the Enhanced Error for a call without the header."""


@dataclass
class Player:
    """One of the programs, and its user.

    Parameters:
        example: the program.
        adobe: what it calls.
        lines: what it has shown.
        waits: for how long it has waited.
        log_in: what a user does with the page that is shown.
    """

    example: Any
    adobe: Simulator
    lines: list[str] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)
    log_in: Callable[[str], object] | None = None

    def show(self, text: str) -> None:
        """Take in a line; log in if it asks for that."""
        self.lines.append(text)
        if found := re.search(r"http\S+/authenticate/\S+", text):
            (self.log_in or self.log_in_at_once)(found[0])

    def log_in_at_once(self, page: str) -> None:
        """Log in without a browser."""
        self.adobe.log_in(page.rpartition("/")[2], "alice")

    def play(self, path: str = "", left_out: str = "", without: tuple[str, ...] = ()) -> None:
        """Go the whole way.

        Parameters:
            path: what the path of a call looks like that goes out without a header.
            left_out: that header, which is taken away once all else is done.
            without: headers that the program itself leaves out everywhere.
        """
        auth, headers = self.example.attached(self.adobe.url, self.adobe.software_statement, MemoryStore())
        headers = {name: value for name, value in headers.items() if name not in without}
        self.playing(auth, headers, re.compile(rf".*/{path}" if path else "$."), left_out)

    def playing(self, auth: Any, headers: dict[str, str], path: re.Pattern[str], left_out: str) -> None:
        """Go the whole way with a client that leaves the header out."""
        raise NotImplementedError


class PlayerOfHttpx(Player):
    """The one on httpx."""

    def playing(self, auth: Any, headers: dict[str, str], path: re.Pattern[str], left_out: str) -> None:
        """Go the whole way; a hook sees each request as it goes out."""

        def leave_out(request: httpx.Request) -> None:
            if path.fullmatch(request.url.path):
                del request.headers[left_out]

        self.example.sleep = self.waits.append
        with httpx.Client(auth=auth, event_hooks={"request": [leave_out]}) as api:
            self.example.play(
                self.example.Entitlements(api, self.adobe.url, headers, "https://app.example/"), self.show
            )


class PlayerOfAiohttp(Player):
    """The one on aiohttp."""

    def playing(self, auth: Any, headers: dict[str, str], path: re.Pattern[str], left_out: str) -> None:
        """Go the whole way; a middleware within that of dcrauth sees each request as it goes out."""

        async def leave_out(request: aiohttp.ClientRequest, handler: Any) -> aiohttp.ClientResponse:
            if path.fullmatch(request.url.path):
                request.headers.popall(left_out)
                request.update_auto_headers([left_out])
            return await handler(request)

        async def main() -> None:
            async with aiohttp.ClientSession(middlewares=[auth, leave_out]) as api:
                app = self.example.Entitlements(api, self.adobe.url, headers, "https://app.example/")
                await self.example.play(app, self.show)

        async def wait(seconds: float) -> None:
            self.waits.append(seconds)

        self.example.sleep = wait
        asyncio.run(main())


@pytest.fixture(params=["httpx", "aiohttp"])
def player(request: pytest.FixtureRequest, adobe_pass: Simulator) -> Player:
    """Each of the programs."""
    if request.param == "httpx":
        return PlayerOfHttpx(entitlements_httpx, adobe_pass)
    return PlayerOfAiohttp(entitlements_aiohttp, adobe_pass)


def refused(player: Player, **options: Any) -> tuple[int, str, str]:
    """Go as far as it goes; return status, code and action of the refusal that ends it."""
    with pytest.raises(player.example.Refused) as caught:
        player.play(**options)
    return caught.value.status, caught.value.error.code, caught.value.error.action


def test_the_whole_way(player: Player, adobe_pass: Simulator) -> None:
    """Each step is one call, in this order, with one registration and one token; what is shown can be understood."""
    player.play()
    steps = [re.sub(r"[A-Z0-9]{7}$", "CODE", each.path.removeprefix("/api/v2/REF30/")) for each in adobe_pass.calls]
    assert steps == [
        *("/o/client/register", "/o/client/token"),
        *("configuration", "sessions", "profiles/code/CODE", "profiles"),
        *("decisions/authorize/Cablevision", "logout/Cablevision"),
    ]
    assert {each.reply.status for each in adobe_pass.calls} == {200, 201}
    assert player.lines[-2:-1] == ["news: may be watched"]
    assert player.lines[2] == "Logged in with: Cablevision"
    assert player.waits == []


def test_it_speaks_for_the_device(player: Player, adobe_pass: Simulator) -> None:
    """Registration, token call and all others say which device they are for, and where it is, as a server has to."""
    player.play()
    for each in adobe_pass.calls:
        assert each.headers["x-forwarded-for"] == "203.0.113.7"
        assert each.headers["x-device-info"] == player.example.INFO.header
        is_of_dcr = each.path.startswith("/o/")
        assert each.headers.get("ap-device-identifier") == (None if is_of_dcr else "fingerprint ZGV2aWNlLTQy")


@pytest.mark.parametrize(("path", "header", "needed"), CASES)
def test_a_header_left_out(player: Player, adobe_pass: Simulator, path: str, header: str, needed: bool) -> None:
    """A call without a header that it needs is refused with the documented status and Enhanced Error, and ends it."""
    if needed:
        assert refused(player, path=path, left_out=header) == REFUSALS[header]
    else:
        player.play(path=path, left_out=header)
    (without, *_) = (each for each in reversed(adobe_pass.calls) if re.fullmatch(rf".*/{path}", each.path))
    assert header.lower() not in without.headers
    assert (without.reply.status >= 400) == needed
    assert (without is adobe_pass.calls[-1]) == (needed or path.startswith("logout"))


def test_a_registration_without_the_device(player: Player, adobe_pass: Simulator) -> None:
    """Where the two DCR calls insist on X-Device-Info, a device that does not say what it is gets no client."""
    adobe_pass.behaviour = Behaviour(dcr_device_info="required")
    with pytest.raises(Rejected) as caught:
        player.play(without=("X-Device-Info",))
    assert (caught.value.status, caught.value.error) == (400, "invalid_request")


def test_a_device_without_a_name(player: Player, adobe_pass: Simulator) -> None:
    """A call that is for no device is not sent at all."""
    with pytest.raises(ConfigurationError, match="AP-Device-Identifier"):
        player.play(without=("AP-Device-Identifier",))
    assert adobe_pass.calls == ()


def test_a_service_that_insists_on_everything(player: Player, adobe_pass: Simulator) -> None:
    """It passes where every call has to have all device headers, and where calls are throttled."""
    adobe_pass.behaviour = Behaviour(
        dcr_device_info="required", device_headers="always", throttle="bucket", wording="pages"
    )
    player.play()
    assert adobe_pass.counts.throttled == 0


def test_the_login_page(player: Player) -> None:
    """The page that is shown leads to a login, and that back to the application."""
    came_to: list[str] = []

    def browse(page: str) -> None:
        login = urljoin(page, httpx.get(page).headers["Location"])
        came_to.append(httpx.post(login, data={"user": "alice"}).headers["Location"])

    player.log_in = browse
    player.play()
    assert came_to == ["https://app.example/"]
    assert "news: may be watched" in player.lines


def test_a_user_who_takes_time(player: Player, adobe_pass: Simulator) -> None:
    """Until somebody has logged in, it is asked every five seconds; a code whose half hour is over ends that."""
    player.log_in = lambda page: None
    player.waits = Impatient(adobe_pass)
    assert refused(player)[:2] == (400, "invalid_authentication_session")
    assert set(player.waits) == {5}
    assert len(player.waits) == 360


class Impatient(list[float]):
    """Waits that are over at once: the service's clock is put forward."""

    def __init__(self, adobe: Simulator) -> None:
        super().__init__()
        self._adobe = adobe

    def append(self, seconds: float) -> None:
        """Wait."""
        super().append(seconds)
        self._adobe.advance(seconds)


def test_what_is_for_later(player: Player, adobe_pass: Simulator) -> None:
    """A 429 and an error whose action is retry are asked again, with growing waits; a fourth time they are an error."""
    busy = Fault(status=403, body=b'{"action":"retry","status":403,"code":"network_received_error"}')
    adobe_pass.inject("api", Fault(status=429), times=2)
    adobe_pass.inject("api", busy)
    player.play()
    assert player.waits == [1, 2, 4]
    adobe_pass.inject("api", busy, times=4)
    assert refused(player) == (403, "network_received_error", "retry")
