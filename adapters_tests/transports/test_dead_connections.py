"""Connections that were kept and have ended: a token call is sent once more, a registration never."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from adapters_tests.servers.odd_server import HEAD, silent
from adapters_tests.transports.kept_server import ANSWER, BODY, KeptServer, fin, registration, rst, token_call
from dcrauth import AdobePass, MemoryStore, ServerUnavailable, TokenSource
from dcrauth.simulator import Simulator

End = Callable[[socket.socket], None]
Behaviour = Callable[[socket.socket, int, int], None]
ends = pytest.mark.parametrize("end", [fin, rst], ids=["FIN", "RST"])


def ending_second(
    end: End, said: bytes = b"", *, everywhere: bool = False
) -> Callable[[socket.socket, int, int], None]:
    """Answer the first request on each connection; say *said* to the second one on the first connection, and *end*."""

    def behave(connection: socket.socket, number: int, turn: int) -> None:
        if (turn == 1 and number == 0) or (everywhere and number > 0):
            if said:
                connection.sendall(said)
            end(connection)
        connection.sendall(ANSWER)

    return behave


@pytest.mark.fault(
    "a connection that was kept has ended when a token call goes over it, before a byte of an answer",
    "the call is sent once more, over a new one, and is no failure",
)
@ends
def test_a_token_call_over_a_dead_connection_is_sent_again(make_transport: Any, end: End) -> None:
    """What a server has closed meanwhile costs a second attempt, and nobody learns of it."""
    with KeptServer(ending_second(end)) as server:
        transport = make_transport()
        assert [transport.send(token_call(server.url)).body for _ in range(3)] == [BODY] * 3
        assert (server.connections, len(server.received)) == (2, 4)


@pytest.mark.slow
@ends
def test_the_same_holds_with_tls(make_transport: Any, end: End, server_context: ssl.SSLContext, bundle: Path) -> None:
    """Also where TLS says that the connection ends, or cannot say it any more."""
    with KeptServer(ending_second(end), server_context) as server:
        transport = make_transport(ca_bundle=bundle)
        assert [transport.send(token_call(server.url)).body for _ in range(3)] == [BODY] * 3
        assert (server.connections, len(server.received)) == (2, 4)


@pytest.mark.fault(
    "a connection that was kept ends after a byte of an answer to a token call",
    "`ServerUnavailable`: the server may have granted a token already",
)
@ends
@pytest.mark.parametrize(
    "said",
    [
        pytest.param(b"H", id="byte"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", id="status", marks=pytest.mark.slow),
        pytest.param(HEAD + b"Content-Length: 50\r\n\r\n{", id="body", marks=pytest.mark.slow),
    ],
)
def test_one_byte_is_an_answer(make_transport: Any, said: bytes, end: End) -> None:
    """Half an answer is a fault like any other, and the call is not sent again."""

    def patient(connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.settimeout(0.05)  # so that what was said arrives before the end
        with pytest.raises(TimeoutError):
            connection.recv(1)
        end(connection)

    with KeptServer(ending_second(patient, said)) as server:
        transport = make_transport()
        transport.send(token_call(server.url))
        with pytest.raises(ServerUnavailable):
            transport.send(token_call(server.url))
        assert (server.connections, len(server.received)) == (1, 2)
        assert transport.send(token_call(server.url)).body == BODY


@pytest.mark.fault("a registration's connection ends without a byte of an answer", "no transport sends it again")
@ends
def test_a_registration_is_never_sent_again(make_transport: Any, end: End) -> None:
    """A registration goes over a connection of its own, and once."""

    def behave(connection: socket.socket, _number: int, _turn: int) -> None:
        if b"/register" in server.received[-1]:
            end(connection)
        connection.sendall(ANSWER)

    with KeptServer(behave) as server:
        transport = make_transport()
        transport.send(token_call(server.url))
        with pytest.raises(ServerUnavailable):
            transport.send(registration(server.url))
        assert (server.connections, len(server.received)) == (2, 2)


@ends
def test_a_second_loss_is_a_fault(make_transport: Any, end: End) -> None:
    """If the new connection ends as well, that is it."""
    with KeptServer(ending_second(end, everywhere=True)) as server:
        transport = make_transport()
        transport.send(token_call(server.url))
        with pytest.raises(ServerUnavailable):
            transport.send(token_call(server.url))
        assert (server.connections, len(server.received)) == (2, 3)


@pytest.mark.fault(
    "a server sends more than one answer to one call",
    "the connection is not kept: no other identity is given what is left over",
)
@pytest.mark.parametrize("more", [ANSWER.replace(b"t", b"x"), b"HTTP/1.1 4"], ids=["another", "half"])
def test_what_is_left_over_is_nobodys_answer(make_transport: Any, more: bytes) -> None:
    """Each call has the answer to itself, although more has come over the connection that it might go over."""

    def behave(connection: socket.socket, number: int, turn: int) -> None:
        connection.sendall(ANSWER + more)

    with KeptServer(behave) as server:
        transport = make_transport()
        assert [transport.send(token_call(server.url)).body for _ in range(3)] == [BODY] * 3
        assert len(server.received) == 3


def test_silence_is_no_end(make_transport: Any) -> None:
    """A server that says nothing on a kept connection may be at work: the call is not sent again."""

    def behave(connection: socket.socket, _number: int, turn: int) -> None:
        if turn:
            silent(connection)
        connection.sendall(ANSWER)

    with KeptServer(behave) as server:
        transport = make_transport(read_timeout=0.1)
        transport.send(token_call(server.url))
        with pytest.raises(ServerUnavailable):
            transport.send(token_call(server.url))
        assert (server.connections, len(server.received)) == (1, 2)


def test_a_connection_that_is_closed_in_between_is_not_used(make_transport: Any) -> None:
    """What the server closes while nobody uses it is found out before a call goes over it."""

    def behave(connection: socket.socket, _number: int, _turn: int) -> None:
        connection.sendall(ANSWER)
        fin(connection)

    with KeptServer(behave) as server:
        transport = make_transport()
        for _ in range(3):
            assert transport.send(token_call(server.url)).body == BODY
            assert server.all_closed()
        assert (server.connections, len(server.received)) == (3, 3)


def test_of_what_an_adapter_sends_token_calls_may_be_repeated(provider: AdobePass, adobe: Simulator) -> None:
    """The provider says so of a token call, and not of a registration."""
    TokenSource(provider, store=MemoryStore()).token()
    assert adobe.counts.token == 1
    assert not provider.registration_request().repeatable
