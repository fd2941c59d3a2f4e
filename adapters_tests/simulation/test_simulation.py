"""The simulation: its seeds and their replay, rules that are broken on purpose, and how real its store and server are.

``DCRAUTH_SEEDS`` is how many seeds are run; ten thousand take about three minutes on one core.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from adapters_tests.common.clock import ManualClock
from adapters_tests.simulation.broken import BROKEN, Broken
from adapters_tests.simulation.faults import CALLS, EVENTS, OAUTH_CALLS, OAUTH_EVENTS, OPERATIONS, STEPS
from adapters_tests.simulation.invariants import Invariant, Violation, require
from adapters_tests.simulation.run import simulate
from adapters_tests.simulation.server import PROVIDER, SimulatedServer
from adapters_tests.simulation.store import PublicStore
from adapters_tests.simulator.test_simulator import SCENARIO
from dcrauth import AccessToken, AdobePass, ClientCredentials, events
from dcrauth.engine import answers, renewal, rules, token_life
from dcrauth.engine.answers import Meaning
from dcrauth.providers.protocol import Problem, Request, Response, TokenGrant, Verdict
from dcrauth.simulator import Behaviour, Simulator
from dcrauth.testing.store_contract import StoreContract
from dcrauth.transports.requests import RequestsTransport

SEEDS = int(os.environ.get("DCRAUTH_SEEDS", "200"))
CHUNK = 100


@pytest.mark.parametrize("first", range(0, SEEDS, CHUNK))
def test_every_invariant_holds(first: int) -> None:
    """Whatever goes wrong, nothing that must hold is violated, and afterwards everything works again."""
    for seed in range(first, min(first + CHUNK, SEEDS)):
        report = simulate(seed)
        if report.violation is not None:
            pytest.fail(f"{report}\nreplay with: python -m adapters_tests.simulation {seed}", pytrace=False)


@pytest.mark.parametrize("seed", [1, *(pytest.param(each, marks=pytest.mark.slow) for each in (8, 17, 50))])
def test_a_seed_is_replayed_exactly(seed: int) -> None:
    """The same seed gives the same trace again, in this process and in others, however those hash strings."""
    folder = Path(__file__).parents[2]
    commands = [
        subprocess.Popen(
            [sys.executable, "-m", "adapters_tests.simulation", str(seed)],
            cwd=folder,
            env=os.environ | {"PYTHONHASHSEED": salt},
            stdout=subprocess.PIPE,
            text=True,
        )
        for salt in ("1", "2")
    ]
    expected = str(simulate(seed))
    assert str(simulate(seed)) == expected
    outputs = [command.communicate(timeout=50)[0] for command in commands]
    assert outputs == [f"{expected}\n"] * 2


@pytest.mark.slow
@pytest.mark.parametrize("broken", BROKEN, ids=lambda broken: broken.name)
@pytest.mark.timeout(240)
def test_a_broken_rule_is_found(broken: Broken) -> None:
    """Each rule that is broken on purpose is found within two thousand seeds, by an invariant that is about it."""
    assert any(_is_caught(broken, seed) for seed in broken.seeds)


def test_a_failing_seed_says_all_there_is_to_say() -> None:
    """The report of a failing seed names the seed, the faults that were on, every effect, and what was violated."""
    broken = next(each for each in BROKEN if each.name == "counts a life from its arrival")
    with broken.applied():
        report = next(report for report in map(simulate, broken.seeds) if report.violation is not None)
    assert report.violation is not None
    text = str(report)
    assert text.startswith(f"seed {report.seed}, <AdobePass at https://sp.auth.adobe.com>\nfaults: ")
    assert all(name in text.splitlines()[1] for name in report.drawn)
    assert "Add credentials client-" in text
    assert "Send token client-" in text
    assert f"VIOLATION {report.violation.invariant.name}" in text.splitlines()[-2]


@pytest.mark.slow
def test_every_fault_strikes_and_every_turn_is_taken() -> None:
    """No fault is only a name, and among a few seeds a renewal takes each of the turns that it can take."""
    struck: Counter[str] = Counter()
    told: Counter[type] = Counter()
    for seed in range(150):
        world = simulate(seed).world
        struck += world.struck
        told.update(type(what) for _, _, _, what in world.trace if isinstance(what, events.Event))
    assert set(struck) == {*CALLS, *OPERATIONS, *STEPS, *EVENTS, *OAUTH_CALLS, *OAUTH_EVENTS}
    turns = {
        *(events.Registered, events.RegistrationUnused, events.TokenRenewed, events.TokenAdopted),
        *(
            events.CredentialsUpdated,
            events.CredentialsReplaced,
            events.CredentialsForgotten,
            events.StoreRepaired,
            events.StoreProblem,
        ),
    }
    assert turns <= set(told)


def test_an_effect_that_is_not_known_is_an_error() -> None:
    """A renewal that asks for something new fails with a message that says where to teach it to the simulation."""

    class Unheard:
        """Not an effect of today."""

    def steps(*_: Any) -> Any:
        yield Unheard()

    broken = Broken("asks for something new", (), renewal.renewal, steps)
    with broken.applied(), pytest.raises(NotImplementedError, match=r"the effect Unheard: say in World\.perform"):
        simulate(0)


def test_an_invariant_says_what_it_is() -> None:
    """A violation names its invariant and explains it."""
    with pytest.raises(Violation, match=r"RECOVERY: nobody is served\n    Once all faults"):
        require(False, Invariant.RECOVERY, "nobody is served")


def _is_caught(broken: Broken, seed: int) -> bool:
    """Whether *seed* finds the broken rule, and nothing of the kind without it."""
    with broken.applied():
        caught = _violated(seed) in broken.caught_by
    return caught and _violated(seed) not in broken.caught_by


def _violated(seed: int) -> Invariant | None:
    violation = simulate(seed).violation
    return None if violation is None else violation.invariant


class TestSimulatedStore(StoreContract):
    """The simulated store is a store like any other."""

    @pytest.fixture
    def factory(self) -> Callable[[], PublicStore]:
        return PublicStore


class Simulated:
    """The simulated server, played."""

    def __init__(self) -> None:
        self.provider, self.now = PROVIDER, 1_000.0
        self._server = SimulatedServer(life=3600)

    def send(self, request: Request) -> Response:
        return self._server.answer(request, self.now)

    def refusal(self, token: str) -> bytes | None:
        found = self._server.refusal(token, self.now)
        return None if found is None else found.body

    def pass_time(self, seconds: float) -> None:
        self.now += seconds

    def throttle(self) -> None:
        self._server.throttled = True

    def forget_clients(self) -> None:
        self._server.clients.clear()

    def revoke_tokens(self) -> None:
        self._server.grants.clear()

    def revoke_statement(self, *, revoked: bool) -> None:
        self._server.revoked = revoked


class Real:
    """The simulator of the package, over a socket."""

    def __init__(self, simulator: Simulator, clock: ManualClock) -> None:
        self._simulator, self._clock = simulator, clock
        self.provider = AdobePass(simulator.software_statement, base_url=simulator.url)
        self.send = RequestsTransport().send
        self.forget_clients, self.revoke_tokens = simulator.revoke_clients, simulator.revoke_tokens
        self.pass_time = clock.advance

    def refusal(self, token: str) -> bytes | None:
        url = f"{self._simulator.url}/api/v2/REF30/configuration"
        answer = requests.get(url, headers={"Authorization": f"Bearer {token}"}, timeout=20)
        assert answer.status_code in {200, 401}
        return answer.content if answer.status_code == 401 else None

    def throttle(self) -> None:
        self._simulator.behaviour = Behaviour(throttle="bucket")

    def revoke_statement(self, *, revoked: bool) -> None:
        (self._simulator.revoke_statement if revoked else self._simulator.reinstate_statement)()


class FrozenClock(ManualClock):
    """A clock that stands still unless it is put forward."""

    def wall(self) -> float:
        return 1_000_000.0 + self._ahead


@pytest.fixture(params=["simulated", "real"])
def server(request: pytest.FixtureRequest) -> Iterator[Simulated | Real]:
    """Either server."""
    if request.param == "simulated":
        yield Simulated()
        return
    clock = FrozenClock()
    with Simulator(Behaviour(expires_in=3600, refusals="legacy", token_kind="opaque"), clock=clock.wall) as simulator:
        yield Real(simulator, clock)


def register(server: Simulated | Real) -> ClientCredentials | Problem:
    return server.provider.read_registration(server.send(server.provider.registration_request()))


def grant(server: Simulated | Real, client: ClientCredentials) -> TokenGrant | Problem:
    return server.provider.read_token(server.send(server.provider.token_request(client)))


def client_of(server: Simulated | Real) -> ClientCredentials:
    client = register(server)
    assert isinstance(client, ClientCredentials)
    return client


def token_of(server: Simulated | Real, client: ClientCredentials) -> str:
    found = grant(server, client)
    assert isinstance(found, TokenGrant)
    return found.value


def verdict(server: Simulated | Real, token: str) -> Verdict | None:
    body = server.refusal(token)
    return None if body is None else server.provider.verdict(401, {}, body)


class TestServers:
    """What the simulated server has in common with the simulator of the package."""

    def test_a_client_gets_a_token_that_is_let_through(self, server: Simulated | Real) -> None:
        """Registered, granted, served; and each registration and each token is another one."""
        first, second = client_of(server), client_of(server)
        assert first.client_id != second.client_id
        tokens = [token_of(server, client) for client in (first, first, second)]
        assert len(set(tokens)) == 3
        assert [verdict(server, token) for token in tokens] == [None] * 3

    def test_a_token_says_how_long_it_lives(self, server: Simulated | Real) -> None:
        """What the answer says holds: the token is let through until then, and not after."""
        found = grant(server, client_of(server))
        assert isinstance(found, TokenGrant)
        token = token_life.granted(found, rules.Instant(0.0, 0.0), policy=rules.Policy())
        assert isinstance(token, AccessToken)
        assert token.life == 3600
        server.pass_time(token.life - 1)
        assert verdict(server, token.value) is None
        server.pass_time(1)
        assert verdict(server, token.value) is Verdict.TOKEN

    @pytest.mark.parametrize("wrong", [ClientCredentials("nobody", "secret"), None])
    def test_a_client_that_is_not_known_is_refused_in_oauths_words(
        self, server: Simulated | Real, wrong: ClientCredentials | None
    ) -> None:
        """A wrong id or a wrong secret is invalid_client, which condemns the client."""
        client = wrong or ClientCredentials(client_of(server).client_id, "wrong")
        problem = grant(server, client)
        assert isinstance(problem, Problem)
        assert (problem.status, problem.error, problem.oauth) == (400, "invalid_client", True)
        assert answers.meaning(problem) is Meaning.CLIENT_REJECTED

    def test_a_forgotten_client_is_refused_and_another_one_is_not(self, server: Simulated | Real) -> None:
        """When the server has forgotten its clients, their tokens are refused on that account; registering helps."""
        client = client_of(server)
        token = token_of(server, client)
        server.forget_clients()
        assert verdict(server, token) is Verdict.CREDENTIALS
        assert isinstance(grant(server, client), Problem)
        again = client_of(server)
        assert again.client_id != client.client_id
        assert verdict(server, token_of(server, again)) is None
        assert isinstance(grant(server, client), Problem)

    def test_a_revoked_token_is_refused(self, server: Simulated | Real) -> None:
        """A token that is not known any more is refused on its own account; its client gets another one."""
        client = client_of(server)
        token = token_of(server, client)
        server.revoke_tokens()
        assert verdict(server, token) is Verdict.TOKEN
        assert verdict(server, token_of(server, client)) is None

    def test_a_revoked_statement_stops_everything_for_a_while(self, server: Simulated | Real) -> None:
        """Neither clients nor tokens are granted, and tokens are refused; once it is reinstated all work again."""
        client = client_of(server)
        token = token_of(server, client)
        server.revoke_statement(revoked=True)
        problems = register(server), grant(server, client)
        assert [getattr(each, "error", None) for each in problems] == [
            "unapproved_software_statement",
            "invalid_client",
        ]
        assert verdict(server, token) is Verdict.APPLICATION
        server.revoke_statement(revoked=False)
        assert verdict(server, token) is None
        assert isinstance(grant(server, client), TokenGrant)

    def test_too_many_calls_are_refused(self, server: Simulated | Real) -> None:
        """The throttle lets exactly those calls pass that the documentation lists; its page is no OAuth answer."""
        client = client_of(server)
        server.throttle()
        before = 0.0
        for at, passes in SCENARIO:
            server.pass_time(at - before)
            before = at
            found = grant(server, client)
            assert isinstance(found, TokenGrant) is passes, at
            if isinstance(found, Problem):
                assert answers.meaning(found) is Meaning.THROTTLED
                assert (found.error, found.retry_after) == (None, None)
