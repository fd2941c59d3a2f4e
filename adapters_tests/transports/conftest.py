"""Fixtures: each transport, and certificates."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme

from adapters_tests.transports.test_transports import TRANSPORTS
from dcrauth.transports.http_client import HttpClientTransport
from dcrauth.transports.httpx2 import Httpx2Transport

LEFT_OUT = {Httpx2Transport, HttpClientTransport}
"""What the quick path leaves out: of the one all that is its own are names, the other shares most with requests."""


@pytest.fixture(
    params=[pytest.param(kind, marks=[pytest.mark.slow] * (kind in LEFT_OUT)) for kind in TRANSPORTS],
    ids=lambda kind: kind.__name__,
)
def transport_kind(request: pytest.FixtureRequest) -> Any:
    """Each transport."""
    return request.param


@pytest.fixture
def make_transport(transport_kind: Any) -> Iterator[Any]:
    """Make transports of each kind, whose connections are closed with the test."""
    made: list[Any] = []

    def make(**options: Any) -> Any:
        made.append(transport_kind(**options))
        return made[-1]

    yield make
    for each in made:
        each.close()


@pytest.fixture(scope="session")
def trusted() -> trustme.CA:
    """A certificate authority for the tests."""
    return trustme.CA()


@pytest.fixture
def server_context(trusted: trustme.CA) -> ssl.SSLContext:
    """The TLS of a server on loopback."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trusted.issue_cert("127.0.0.1", "localhost").configure_cert(context)
    return context


@pytest.fixture
def bundle(trusted: trustme.CA, tmp_path: Path) -> Path:
    """The file of the authority's certificate."""
    path = tmp_path / "ca.pem"
    trusted.cert_pem.write_to_path(str(path))
    return path
