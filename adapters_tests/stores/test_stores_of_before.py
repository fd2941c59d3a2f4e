"""Stores that were written before the modules moved are read as they were."""

from __future__ import annotations

import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from adapters_tests.common.direct import Server
from dcrauth import Clock, FileStore, SQLiteStore, Store, TokenSource

WRITTEN = Path(__file__).parent / "stores_of_before.tar"
"""Four clients: one has replaced another, one is unused for long, and one was deleted on purpose."""

NOW = 1_790_004_100.0
"""When the token of the first is fresh, and that of the second has expired."""

KINDS: dict[str, Callable[[Path], Store]] = {
    "file": lambda folder: FileStore(folder / "files"),
    "sqlite": lambda folder: SQLiteStore(folder / "db" / "records.db"),
}


@pytest.fixture(params=KINDS)
def store(tmp_path: Path, request: pytest.FixtureRequest) -> Store:
    """A store as an earlier program has left it."""
    with tarfile.open(WRITTEN) as archive:
        archive.extractall(tmp_path, filter="data")
    for folder, _, files in os.walk(tmp_path):
        os.chmod(folder, 0o700)
        for name in files:
            os.chmod(os.path.join(folder, name), 0o600)
    return KINDS[request.param](tmp_path)


@pytest.fixture
def server() -> Server:
    """The server that has registered them."""
    server = Server()
    server.world.clients.update({f"client-{number}": f"secret-{number}" for number in (2, 3)})
    return server


def source(server: Server, store: Store, instance: str) -> TokenSource:
    return server.source(store, instance=instance, clock=Clock(wall=lambda: NOW, sleep=lambda _: None))


def test_a_token_is_found(store: Store, server: Server) -> None:
    """A token that is still fresh is used, without any call."""
    assert source(server, store, "default").token().value == "token-3"
    assert (server.world.registrations, server.world.token_calls) == (0, 0)


def test_credentials_are_found(store: Store, server: Server) -> None:
    """A client whose token has expired gets another one, and is not registered again."""
    assert source(server, store, "second").token().value == "token-1"
    assert (server.world.registrations, server.world.used) == (0, ["client-2"])


def test_a_replaced_client_is_found(store: Store, server: Server) -> None:
    """The pair that was kept aside can be put back."""
    server.world.clients["client-1"] = "secret-1"
    of_first = source(server, store, "default")
    assert of_first.restore()
    of_first.token()
    assert server.world.used == ["client-1"]


def test_a_deletion_is_remembered(store: Store, server: Server) -> None:
    """What was deleted on purpose stays deleted: its next request registers."""
    source(server, store, "forgotten").token()
    assert server.world.registrations == 1
