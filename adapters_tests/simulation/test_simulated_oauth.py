"""What the simulated OAuth server has in common with the simulator of the package, which speaks HTTP."""

from __future__ import annotations

import email.utils
import itertools
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
import requests

from adapters_tests.common.clock import ManualClock
from adapters_tests.common.world import STATEMENT
from adapters_tests.simulation.calls import EPOCH
from adapters_tests.simulation.oauth_server import SimulatedOAuthServer
from adapters_tests.simulation.oauth_settings import OAuthSettings
from adapters_tests.simulator.oauth_calling import KEY
from dcrauth import ClientCredentials, ClientSecret, OAuthServer, PrivateKeyJWT
from dcrauth.engine import answers
from dcrauth.engine.answers import Meaning
from dcrauth.providers.protocol import Flow, Moment, Problem, Request, Response, TokenGrant, Verdict, run
from dcrauth.simulator import OAuthBehaviour, OAuthSimulator
from dcrauth.transports.requests import RequestsTransport

LIFE = 1_000.0
SETTINGS = OAuthSettings(discovers=True, rotates_token="update", rotates_secret="update", secret_life=LIFE)


class Simulated:
    """The simulated server, played."""

    def __init__(self, settings: OAuthSettings) -> None:
        self._server, self._now = SimulatedOAuthServer(settings), 0.0
        self.provider = settings.provider

    @property
    def wall(self) -> float:
        return EPOCH + self._now

    def send(self, request: Request) -> Response:
        return self._server.answer(request, self._now)

    def refusal(self, token: str) -> Response | None:
        return self._server.refusal(token, self._now)

    def pass_time(self, seconds: float) -> None:
        self._now += seconds


class Real:
    """The simulator of the package, over a socket."""

    def __init__(self, settings: OAuthSettings, simulator: OAuthSimulator, clock: ManualClock) -> None:
        self._simulator, self._clock = simulator, clock
        by = PrivateKeyJWT(json.dumps(KEY.as_dict(private=True))) if settings.signs else ClientSecret("basic")
        self.provider = OAuthServer(
            simulator.issuer,
            protects=[simulator.api_url],
            client_metadata={"software_id": STATEMENT},
            client_authentication=by,
            repeats=settings.repeats,
        )
        self.send = RequestsTransport().send
        self.pass_time = clock.advance

    @property
    def wall(self) -> float:
        return self._clock.wall()

    def refusal(self, token: str) -> Response | None:
        answer = requests.get(self._simulator.api_url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        headers = {name.lower(): value for name, value in answer.headers.items()}
        return None if answer.ok else Response(answer.status_code, headers, answer.content)


class FrozenClock(ManualClock):
    """A clock that stands still unless it is put forward."""

    def wall(self) -> float:
        return EPOCH + self._ahead


Server = Simulated | Real
Begin = Callable[..., Server]


@pytest.fixture(params=["simulated", "real"])
def begin(request: pytest.FixtureRequest) -> Iterator[Begin]:
    """Begins either server, with settings."""
    clock = FrozenClock()
    with OAuthSimulator(clock=clock.wall) as simulator:

        def begun(**changes: Any) -> Server:
            settings = replace(SETTINGS, **changes)
            simulator.behaviour = OAuthBehaviour(
                rotates_token=settings.rotates_token,
                rotates_secret=settings.rotates_secret,
                secret_life=settings.secret_life,
                secret_overlap=settings.secret_overlap,
                old_token="until the new one" if settings.keeps_old_token else "refused",
                repeats=settings.repeats,
                clock_tolerance=settings.tolerance,
            )
            return Simulated(settings) if request.param == "simulated" else Real(settings, simulator, clock)

        yield begun


def ended(server: Server, begun: Callable[[Moment], Flow[Any] | None], ahead: float = 0.0, jti: bytes = b"") -> Any:
    """Return what a flow comes to, begun by a clock that is so many seconds ahead."""
    flow = begun(Moment(server.wall + ahead, random=jti or b"%d" % next(_numbers)))
    assert flow is not None
    return run(flow, server.send)[0].value


_numbers = itertools.count()


def registered(server: Server) -> ClientCredentials:
    found = ended(server, server.provider.register)
    assert isinstance(found, ClientCredentials)
    return found


def token(server: Server, client: ClientCredentials, **how: Any) -> TokenGrant | Problem:
    found: TokenGrant | Problem = ended(server, lambda moment: server.provider.fetch_token(client, moment), **how)
    return found


def updated(server: Server, client: ClientCredentials) -> ClientCredentials | Problem:
    found: ClientCredentials | Problem = ended(server, lambda moment: server.provider.update(client, moment))
    return found


def is_refused(found: object) -> bool:
    return isinstance(found, Problem) and answers.meaning(found) is Meaning.CLIENT_REJECTED and found.status == 401


def is_served(server: Server, found: TokenGrant | Problem) -> bool:
    return isinstance(found, TokenGrant) and server.refusal(found.value) is None


def test_another_secret_takes_the_place_of_the_former(begin: Begin) -> None:
    """An update brings another secret and another token to manage the client with; the former ones are refused."""
    server = begin()
    client = registered(server)
    assert is_served(server, token(server, client))
    fresh = updated(server, client)
    assert isinstance(fresh, ClientCredentials)
    assert fresh.client_id == client.client_id
    assert is_served(server, token(server, fresh))
    assert is_refused(token(server, client))
    problem = updated(server, client)
    assert isinstance(problem, Problem)
    assert problem.status == 401


def test_an_old_token_is_good_until_the_new_one_is_used(begin: Begin) -> None:
    """Where the server grants that, the answer to an update may be lost once."""
    server = begin(keeps_old_token=True)
    client = registered(server)
    fresh = updated(server, client)
    again = updated(server, client)
    assert isinstance(fresh, ClientCredentials)
    assert isinstance(again, ClientCredentials)
    assert isinstance(updated(server, again), ClientCredentials)
    assert isinstance(updated(server, client), Problem)


def test_a_secret_ends(begin: Begin) -> None:
    """From the moment on that was answered it is refused, and an update brings another one."""
    server = begin()
    client = registered(server)
    assert client.expires_at == server.wall + LIFE
    server.pass_time(LIFE - 1)
    assert is_served(server, token(server, client))
    server.pass_time(1)
    assert is_refused(token(server, client))
    fresh = updated(server, client)
    assert isinstance(fresh, ClientCredentials)
    assert is_served(server, token(server, fresh))


def test_a_client_that_was_deleted_is_not_known(begin: Begin) -> None:
    """Neither its secret nor the token that manages it nor its access token is good any more."""
    server = begin()
    client = registered(server)
    found = token(server, client)
    assert isinstance(found, TokenGrant)
    assert ended(server, lambda moment: server.provider.unregister(client, moment)) == client
    assert is_refused(token(server, client))
    problem = updated(server, client)
    assert isinstance(problem, Problem)
    assert problem.status == 401
    refusal = server.refusal(found.value)
    assert refusal is not None
    assert server.provider.verdict(refusal.status, refusal.headers, refusal.body) is Verdict.TOKEN


@pytest.mark.parametrize("repeats", ["new", "refused", "updates"])
def test_a_second_registration(begin: Begin, repeats: str) -> None:
    """It makes another client, is refused for good, or gives the first client another secret."""
    server = begin(repeats=repeats)
    first, second = registered(server), ended(server, server.provider.register)
    if repeats == "refused":
        assert isinstance(second, Problem)
        assert answers.meaning(second) is Meaning.REJECTED
        return
    assert (second.client_id == first.client_id) is (repeats == "updates")
    assert is_served(server, token(server, second))
    assert is_refused(token(server, first)) is (repeats == "updates")


@pytest.mark.parametrize(("ahead", "tolerance", "good"), [(9.0, 0.0, True), (20.0, 0.0, False), (20.0, 60.0, True)])
def test_assertions_are_good_at_their_time(begin: Begin, ahead: float, tolerance: float, good: bool) -> None:
    """One that is dated ahead is refused, as far as the server does not tolerate that; and each is good once."""
    server = begin(by="private key", secret_life=None, tolerance=tolerance)
    client = registered(server)
    assert client.client_secret is None
    assert isinstance(token(server, client, ahead=ahead, jti=b"one"), TokenGrant) is good
    assert is_refused(token(server, client, ahead=-61.0))
    assert isinstance(token(server, client, jti=b"two"), TokenGrant)
    assert is_refused(token(server, client, jti=b"two"))


def test_answers_tell_the_time(begin: Begin) -> None:
    """By the server's clock, in ``Date``."""
    server = begin()
    server.pass_time(5_000.0)
    flow = server.provider.register(Moment(server.wall))
    told = server.send(next(flow)).headers["date"]
    assert abs(email.utils.parsedate_to_datetime(told).timestamp() - server.wall) < 1.0
