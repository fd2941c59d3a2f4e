"""Wrong arguments: each is an error of the constructor that was given it, which quotes nothing and leaves nothing."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple, get_args

import aiohttp
import httpx
import httpx2
import pytest
import requests

from adapters_tests.common.clients import KINDS
from adapters_tests.common.secrets import jwt
from adapters_tests.whole.test_secrets import everything_about
from dcrauth import (
    AdobePass,
    Clock,
    ConfigurationError,
    DeviceInfo,
    EncryptedStore,
    FileStore,
    MemoryStore,
    Policy,
    RedisStore,
    SoftwareStatement,
    SQLiteStore,
    TokenSource,
    events,
)
from dcrauth.engine.event_dispatch import Listener
from dcrauth.providers.adobe.device_info import DeviceFields
from dcrauth.providers.adobe.environments import ENVIRONMENTS, Environment
from dcrauth.stores.keys import generate_key, key_from_environment, key_from_file, key_from_keyring
from dcrauth.transports.aiohttp import AiohttpTransport
from dcrauth.transports.httpx import HttpxTransport
from dcrauth.transports.httpx2 import Httpx2Transport
from dcrauth.transports.requests import RequestsTransport

STATEMENT = jwt(sub="app")
CANARY = "canary-" * 60
"""A secret in the wrong place: longer than what a message may quote, and than any name of a file."""


class Wrong(NamedTuple):
    """Something that hardly any argument can be, and what kind of thing it is."""

    kind: str
    value: Any


WRONG = [
    Wrong("none", None),
    Wrong("flag", True),
    Wrong("number", 42),
    Wrong("number", -1),
    Wrong("number", float("nan")),
    Wrong("number", 10**400),
    Wrong("text", CANARY),
    Wrong("text", f"redis://:{CANARY}@localhost"),
    Wrong("text", "\0"),
    Wrong("bytes", CANARY.encode()),
    Wrong("list", [CANARY]),
    Wrong("list", [42]),
    Wrong("mapping", {CANARY: CANARY}),
    Wrong("class", MemoryStore),
    Wrong("object", object()),
    Wrong("function", lambda: CANARY),
]


class Taking(NamedTuple):
    """A constructor, an argument of it, and the kinds of things that it takes, or that others see to."""

    make: Callable[..., Any]
    name: str
    takes: tuple[str, ...] = ()

    def __str__(self) -> str:
        return f"{getattr(self.make, '__qualname__', self.make)}-{self.name}"


def adobe(**settings: Any) -> AdobePass:
    return AdobePass(**{"software_statement": STATEMENT} | settings)


def for_device(**settings: Any) -> AdobePass:
    return AdobePass(STATEMENT).for_device(**{"device_info": None} | settings)


def source(**settings: Any) -> TokenSource:
    return TokenSource(**{"provider": AdobePass(STATEMENT), "store": MemoryStore()} | settings)


def attached(kind: Any) -> Callable[..., Any]:
    def attach(**settings: Any) -> Any:
        return kind.auth(**{"source": AdobePass(STATEMENT), "store": MemoryStore()} | settings)

    attach.__qualname__ = f"{kind.library}.DCRAuth"
    return attach


def redis(**settings: Any) -> RedisStore:
    return RedisStore(**{"server": "redis://localhost"} | settings)


def encrypted(**settings: Any) -> EncryptedStore:
    return EncryptedStore(**{"inner": MemoryStore(), "keys": [bytes(32)]} | settings)


def keyring(**settings: Any) -> object:
    return key_from_keyring(**{"service": "shop"} | settings)


TRANSPORTS = (RequestsTransport, HttpxTransport, Httpx2Transport, AiohttpTransport)
LIBRARIES = [kind for kind in KINDS if not kind.is_async or kind.library == "aiohttp"]

TABLE = [
    Taking(adobe, "software_statement"),
    Taking(adobe, "environment"),
    Taking(adobe, "base_url", ("none",)),
    Taking(adobe, "device_info", ("none",)),
    Taking(adobe, "redirect_uri", ("none", "text")),
    Taking(adobe, "protects", ()),
    Taking(adobe, "forwarded_for", ("none", "text")),
    Taking(adobe, "device_headers_on_requests", ("flag",)),
    Taking(adobe, "token_request"),
    Taking(for_device, "device_info", ("none",)),
    Taking(for_device, "forwarded_for", ("none", "text")),
    Taking(AdobePass.from_environment, "profile", ("none",)),
    Taking(SoftwareStatement, "text"),
    Taking(SoftwareStatement.of, "source"),
    Taking(DeviceInfo, "extra", ("mapping",)),
    Taking(DeviceInfo.from_json, "values", ("mapping",)),
    Taking(DeviceInfo.from_header, "text"),
    Taking(source, "provider"),
    Taking(source, "store", ("none",)),
    Taking(source, "instance", ("none", "text")),
    Taking(source, "transport", ("none",)),
    Taking(source, "policy", ("none",)),
    Taking(source, "on_event", ("none", "function")),
    Taking(source, "clock", ("none",)),
    *(Taking(attached(kind), name) for kind in LIBRARIES for name in ("source",)),
    *(
        Taking(attached(kind), name, ("none", *more))
        for kind in LIBRARIES
        for name, *more in (("store",), ("instance", "text"), ("transport",), ("policy",), ("on_event", "function"))
    ),
    *(Taking(Policy, name) for name in Policy.__annotations__),
    *(Taking(Clock, name, ("function", "class")) for name in ("wall", "monotonic", "sleep")),
    *(
        Taking(make, name, takes)
        for make in TRANSPORTS
        for name, takes in (
            ("proxy", ("none",)),
            ("ca_bundle", ("none",)),
            ("client_certificate", ("none",)),
            ("trust_env", ("flag",)),
            ("connect_timeout", ()),
            ("read_timeout", ()),
            ("total_timeout", ()),
        )
    ),
    Taking(FileStore, "directory", ("none",)),
    Taking(SQLiteStore, "path"),
    Taking(redis, "server"),
    Taking(redis, "prefix", ("text",)),
    Taking(redis, "lease"),
    Taking(redis, "replicas"),
    Taking(encrypted, "inner"),
    Taking(encrypted, "keys"),
    Taking(key_from_environment, "name", ("text",)),
    Taking(key_from_file, "path"),
    Taking(keyring, "service"),
    Taking(keyring, "user"),
    Taking(keyring, "timeout"),
]

ALSO_FINE: dict[str, Callable[[Any], bool]] = {
    "number": lambda value: value == 42 and not isinstance(value, bool),
    "redis": lambda value: isinstance(value, str) and value.startswith("redis://"),
}
"""What of a kind that is not taken as such is a good argument all the same."""

NUMBERS = {*Policy.__annotations__, "connect_timeout", "read_timeout", "total_timeout", "lease", "replicas", "timeout"}


def wrong_for(taking: Taking) -> Iterator[Any]:
    for kind, value in WRONG:
        fine = ALSO_FINE.get("number" if taking.name in NUMBERS else "redis" if taking.name == "server" else "")
        if kind not in taking.takes and not (fine and fine(value)):
            yield value


@pytest.mark.fault(
    "an argument of a constructor is of the wrong kind, or a secret that belongs elsewhere",
    "the constructor raises `ConfigurationError`, which says what is wanted and quotes nothing at length",
)
@pytest.mark.parametrize("taking", TABLE, ids=str)
def test_wrong_arguments(taking: Taking, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever an argument cannot be is refused at once, by name or kind, and is seen nowhere, nor left behind."""
    monkeypatch.chdir(tmp_path)
    threads = set(threading.enumerate())
    for value in wrong_for(taking):
        with pytest.raises(ConfigurationError) as caught:
            taking.make(**{taking.name: value})
        assert "canary" not in everything_about(caught.value), type(value)
        assert 20 < len(str(caught.value)) < 500
    assert list(tmp_path.iterdir()) == []
    assert set(threading.enumerate()) <= threads


@pytest.mark.parametrize("make", TRANSPORTS)
@pytest.mark.parametrize("name", ["connect_timeout", "read_timeout", "total_timeout"])
def test_more_seconds_than_a_socket_can_wait(make: Callable[..., Any], name: str) -> None:
    """A time that no platform can wait for is refused at once, where each call would fail; eleven days will do."""
    for seconds in (1e300, 1e10, 3e6):
        with pytest.raises(ConfigurationError, match=f"{name} must be a number of seconds above 0, and at most"):
            make(**{name: seconds})
    with pytest.raises(ConfigurationError, match="timeout must be a number of seconds above 0, and at most"):
        Policy(timeout=1e10)
    assert getattr(make(**{name: 1e6}), name) == Policy(timeout=1e6).timeout


NAMED = [
    ("store", "redis://:canary@localhost", "store must be an object such as FileStore"),
    ("store", FileStore, r"not the class FileStore itself: write FileStore\("),
    ("store", Path("store"), "store must be an object such as FileStore"),
    ("transport", httpx.Client(), "never a client of yours, not Client"),
    ("transport", httpx2.Client(), "never a client of yours"),
    ("transport", requests.Session(), "never a client of yours"),
    ("transport", aiohttp.ClientSession, "class ClientSession itself"),
    ("transport", RequestsTransport, "not the class RequestsTransport itself"),
    ("policy", {}, r"policy must be a Policy\(…\), not dict"),
    ("policy", Policy, r"write Policy\(…\)"),
    ("instance", 42, "instance must be text, not int"),
    ("on_event", "print", "on_event must be a function that takes an event, not str"),
    ("on_event", events.Event, "not the class Event"),
]


def _words(value: object) -> str:
    return ascii(value)[1:20] if isinstance(value, str) else type(value).__name__


@pytest.mark.parametrize(("name", "value", "message"), NAMED, ids=_words)
def test_arguments_that_look_right(name: str, value: Any, message: str) -> None:
    """What people try is refused by a DCRAuth and by a TokenSource, with the remedy."""
    for make in (attached(KINDS[0]), source):
        with pytest.raises(ConfigurationError, match=message):
            make(**{name: value})


class Awaited:
    """An object whose call has to be awaited."""

    async def __call__(self, event: events.Event) -> None: ...


async def listen(event: events.Event) -> None: ...


async def listen_and_yield(event: events.Event) -> Any:
    yield event


@pytest.mark.fault(
    "`on_event` is a coroutine function",
    "it is refused where it is given, with what to give instead: it would never run",
)
@pytest.mark.parametrize(
    "on_event", [listen, functools.partial(listen), Awaited(), Awaited().__call__, listen_and_yield]
)
def test_a_listener_that_would_never_run(on_event: Any) -> None:
    """No coroutine function is taken for a listener, however it is wrapped."""
    with pytest.raises(ConfigurationError, match="on_loop"):
        source(on_event=on_event)


def test_a_listener_that_hides_a_coroutine(caplog: pytest.LogCaptureFixture) -> None:
    """A plain function that returns a coroutine is told of in the log, and nothing is left to be awaited."""

    def hidden(event: events.Event) -> Any:
        return listen(event)

    listener = Listener(hidden)
    listener.emit(events.Registered("identity"))
    assert listener.flush(20.0)
    assert "would never run" in caplog.text


class Asynchronous(MemoryStore):
    """A store of somebody who knows asyncio only."""

    async def get(self, key: str) -> bytes | None:  # type: ignore[override]
        return None


class Incomplete:
    """A store that lacks something."""

    def __init__(self, *names: str) -> None:
        for name in names:
            setattr(self, name, lambda *_, **__: None)


def test_stores_that_are_none() -> None:
    """A store of one's own that lacks a method, or whose methods are to be awaited, is told so by name."""
    with pytest.raises(ConfigurationError, match="Incomplete, which has no replace, lock, healthcheck"):
        source(store=Incomplete("get", "add", "put", "delete", "keys"))
    with pytest.raises(ConfigurationError, match="Asynchronous has async def get"):
        source(store=Asynchronous())


class Empty(MemoryStore):
    """A store that is false, as containers are while there is nothing in them."""

    def __len__(self) -> int:
        return 0


def test_a_store_that_is_false_is_used() -> None:
    """An object is taken as it is, even if Python counts it as false."""
    store = Empty()
    assert source(store=store)._driver.store is store


def test_a_source_comes_with_its_settings() -> None:
    """A DCRAuth on a TokenSource takes no setting that the source has already, be it false."""
    for name, value in (("store", Empty()), ("instance", ""), ("policy", Policy())):
        with pytest.raises(ConfigurationError, match="already"):
            KINDS[0].auth(source(), **{name: value})


def test_a_key_in_the_place_of_its_name() -> None:
    """A key that is given where its variable or file belongs is refused unseen."""
    key = generate_key()
    for function in (key_from_environment, key_from_file):
        with pytest.raises(ConfigurationError, match="not the key itself") as caught:
            function(key)
        assert key not in everything_about(caught.value)


def test_types_name_what_there_is() -> None:
    """What type checkers know of environments and devices is what there is."""
    assert set(get_args(Environment)) == set(ENVIRONMENTS)
    assert DeviceFields.__annotations__ == DeviceInfo.__annotations__
