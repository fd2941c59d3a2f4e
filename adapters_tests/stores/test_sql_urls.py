"""URLs of SQL databases: what they may not show, and what a driver makes of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import create_async_engine

from dcrauth import ConfigurationError, StoreUnavailable
from dcrauth.stores import _sql_engine
from dcrauth.stores.sql import SQLStore


@pytest.mark.fault("a password in the URL of a database has an @ that is not encoded", "`ConfigurationError` says so")
@pytest.mark.parametrize("scheme", ["postgresql+psycopg", "mysql+pymysql", "mariadb+pymysql"])
@pytest.mark.parametrize(
    "rest", ["u:p@ssCANARY@h/db", "u:p@ss/CANARY@h/db", "u:p@CANARY?x@h/db", "u/CANARY:p@h/db", "u:p@ss@CANARY@h/db"]
)
def test_a_password_that_is_not_encoded(scheme: str, rest: str) -> None:
    """A URL that could have a part of the password where the host is meant to be is refused, and not shown."""
    with pytest.raises(ConfigurationError, match="percent-encoded") as caught:
        SQLStore(f"{scheme}://{rest}")
    assert "CANARY" not in str(caught.value)


def test_an_engine_of_such_a_url() -> None:
    """The address of a user's Engine begins behind what could be a password."""
    for rest in ("u:p@ssCANARY@h:5/db", "u:p@ss/CANARY@h:5/db", "u:p@CANARY@h:5/db"):
        engine = sa.create_engine(f"postgresql+psycopg://{rest}")
        assert repr(SQLStore(engine)) == "<SQLStore in dcrauth_records of postgresql://h:5/db>"


@pytest.mark.parametrize(
    ("rest", "shown"),
    [
        ("u:p%40ss@h/db", "h/db"),
        ("u:p@/db", "localhost/db"),
        ("u:p@/db?host=a.example", "a.example/db"),
        ("u:p@/db?host=a.example:5&host=b.example:6", "a.example:5,b.example:6/db"),
        ("u:p@/db?host=a.example&port=5", "a.example:5/db"),
        ("u:p@/db?host=/run/postgresql", "/run/postgresql/db"),
    ],
)
def test_a_host_is_told(rest: str, shown: str) -> None:
    """The host is told that is asked, also where an option names it."""
    with SQLStore(f"postgresql+psycopg://{rest}") as store:
        assert repr(store) == f"<SQLStore in dcrauth_records of postgresql://{shown}>"


def test_a_socket_is_told() -> None:
    """So is a socket."""
    assert _sql_engine.address_of(sa.make_url("mysql+pymysql://u@/db?unix_socket=/run/s")) == "mysql:///run/s/db"


@pytest.mark.parametrize(
    "option", ["foo=CANARY", "connect_timeout=CANARY", "charset=CANARY", "ssl_check_hostname=CANARY"]
)
def test_options_that_no_driver_takes(option: str) -> None:
    """An option that the driver trips over is an error of ours, which quotes nothing."""
    with pytest.raises((ConfigurationError, StoreUnavailable)) as caught:
        SQLStore(f"mysql+pymysql://u@127.0.0.1:1/db?{option}").get("key")
    assert "CANARY" not in str(caught.value)


@pytest.mark.parametrize("url", ["postgresql+asyncpg://u:CANARY@h/d", "mysql+aiomysql://u:CANARY@h/d"])
def test_a_driver_for_event_loops(url: str) -> None:
    """A driver that only event loops can use is refused at once, whether it is installed or not."""
    with pytest.raises(ConfigurationError, match=r"called on threads.*postgresql\+psycopg") as caught:
        SQLStore(url)
    assert "CANARY" not in str(caught.value)


def test_an_engine_for_event_loops() -> None:
    """So is an AsyncEngine, and the Engine beneath it."""
    engine = create_async_engine("postgresql+psycopg://u:CANARY@h/d")
    for each in (engine, engine.sync_engine):
        with pytest.raises(ConfigurationError, match="called on threads"):
            SQLStore(each)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://127.0.0.1:1/d?foo=CANARY",
        "postgresql+psycopg://127.0.0.1:1/d?sslmode=CANARY",
        "postgresql+psycopg://127.0.0.1:1/d?ssl_min_protocol_version=CANARY",
        "postgresql+psycopg://127.0.0.1:1/d?connect_timeout=CANARY",
        "postgresql+psycopg://127.0.0.1:1/d?service=CANARY",
        "postgresql+psycopg://127.0.0.1:99999/d",
        "mysql+pymysql://127.0.0.1:1/d?foo=CANARY",
        "mysql+pymysql://127.0.0.1:1/d?charset=CANARY",
    ],
)
def test_an_option_that_will_not_do_is_told(url: str) -> None:
    """An option that a driver does not know, or not with that value, is told as that."""
    with SQLStore(url) as store, pytest.raises(StoreUnavailable, match="an option of the URL") as caught:
        store.get("key")
    assert "CANARY" not in str(caught.value)


@pytest.fixture(params=[b"\x01\x00\x00\x00\x0a", b"\x05\x00\x00\x00\x0a5.5\x00", b"HTTP/1.1 400 Bad Request\r\n\r\n"])
def garbled(request: pytest.FixtureRequest) -> Iterator[int]:
    """The port of a server that is no database."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def answer() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = listener.accept()
                    with connection:
                        connection.sendall(request.param)

        thread = threading.Thread(target=answer)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(10)


@pytest.mark.fault("what answers in the place of a MariaDB is none", "`StoreUnavailable`, of a kind that is retried")
def test_garbled_bytes(garbled: int) -> None:
    """Bytes that a driver cannot make sense of are an error of ours."""
    with SQLStore(f"mysql+pymysql://u@127.0.0.1:{garbled}/db") as store:
        acts: list[Callable[[], object]] = [lambda: store.get("key"), lambda: store.add("key", b"value")]
        for act in acts:
            with pytest.raises(StoreUnavailable, match=f"127.0.0.1:{garbled}"):
                act()


def test_a_connection_that_tripped_is_not_used_again(tmp_path_factory: pytest.TempPathFactory) -> None:
    """What a driver fails over in the middle of an answer ends the connection, of which half an answer may come yet."""
    engine = sa.create_engine(f"sqlite:///{tmp_path_factory.mktemp('tripped')}/records.db", poolclass=sa.QueuePool)
    store, made = SQLStore(engine), list[object]()
    store.create_tables()
    event.listen(engine, "invalidate", lambda *given: made.append(given[0]))

    def trip(*_: object) -> None:
        raise IndexError("CANARY")

    event.listen(engine, "after_cursor_execute", trip)
    with pytest.raises(StoreUnavailable, match="IndexError") as caught:
        store.put("key", b"value")
    event.remove(engine, "after_cursor_execute", trip)
    assert len(made) == 2, "each of the attempts"
    assert "CANARY" not in str(caught.value)
    assert store.get("key") == b"value"
    engine.dispose()
