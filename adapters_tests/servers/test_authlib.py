"""Against a server that nobody here wrote: Authlib's registration endpoint and client-credentials grant."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from adapters_tests.common.clients import Kind
from adapters_tests.common.clock import EAGER
from adapters_tests.servers.authlib_server import Authlib, running
from dcrauth import AdobePass, MemoryStore, Policy, RegistrationRejected, TokenSource, events


@pytest.fixture
def server() -> Iterator[Authlib]:
    """The server, running."""
    with running() as state:
        yield state


def source(server: Authlib, kind: Kind, statement: str = "", policy: Policy = EAGER, **settings: Any) -> TokenSource:
    provider = AdobePass(statement or server.statement, base_url=server.url)
    return TokenSource(provider, store=MemoryStore(), transport=kind.auth._own_transport(), policy=policy, **settings)


def test_the_whole_dance(kind: Kind, server: Authlib) -> None:
    """A signed statement is registered, credentials are traded for a token, and the token opens the API."""
    with kind.open(kind.auth(source(server, kind))) as app:
        for _ in range(3):
            assert app.get(f"{server.url}/api").json == {"good": True}
    assert server.calls == ["register", "token", "api", "api", "api"]


@pytest.mark.slow
def test_a_revoked_token_is_renewed(kind: Kind, server: Authlib) -> None:
    """Authlib's own 401, an OAuth error with a Bearer challenge, leads to one token call and a second attempt."""
    with kind.open(kind.auth(source(server, kind))) as app:
        app.get(f"{server.url}/api")
        server.revoke_tokens()
        assert app.get(f"{server.url}/api").status == 200
    assert server.calls == ["register", "token", "api", "token", "api"]


@pytest.mark.slow
def test_a_forgotten_client_registers_again(kind: Kind, server: Authlib) -> None:
    """Authlib's invalid_client, a 400 or a 401, is confirmed and then answered with a new registration."""
    told: list[events.Event] = []
    made = source(server, kind, on_event=told.append)
    with kind.open(kind.auth(made)) as app:
        app.get(f"{server.url}/api")
        server.clients.clear()
        server.revoke_tokens()
        assert app.get(f"{server.url}/api").status == 200
    assert server.calls == ["register", "token", "api", "token", "token", "register", "token", "api"]
    assert made.flush_events(20.0)
    assert any(isinstance(event, events.CredentialsReplaced) for event in told)


@pytest.mark.slow
def test_a_forged_statement_is_rejected(kind: Kind, server: Authlib) -> None:
    """A statement with another signature is RegistrationRejected with the server's code, and nothing else is called."""
    with kind.open(kind.auth(source(server, kind, server.forged))) as app, pytest.raises(kind.host_error) as caught:
        app.get(f"{server.url}/api")
    assert isinstance(caught.value, RegistrationRejected)
    assert caught.value.error == "invalid_software_statement"
    assert server.calls == ["register"]
