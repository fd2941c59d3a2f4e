"""Canary secrets go through everything, and are looked for everywhere they must not be."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import errno
import gc
import io
import json
import logging
import pickle
import sys
import traceback
import weakref
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

import dcrauth
from adapters_tests.common.clients import KINDS, Kind
from adapters_tests.common.clock import EAGER, ManualClock
from adapters_tests.common.interrupts import interrupts
from adapters_tests.common.secrets import jwt, secrets_in
from adapters_tests.stores.failing_disk import FailingDisk
from dcrauth import (
    AccessToken,
    AdobePass,
    ClientCredentials,
    DCRAuthError,
    EncryptedStore,
    FileStore,
    MemoryStore,
    Policy,
    RedisStore,
    SoftwareStatement,
    SQLiteStore,
    StoreUnavailable,
    TokenSource,
    events,
)
from dcrauth._internal.confidential import replaced
from dcrauth.engine import answer_secrets
from dcrauth.engine.records import write_credentials
from dcrauth.errors import in_terms_of
from dcrauth.providers.protocol import Problem, Request, Response
from dcrauth.simulator import Fault, Simulator
from dcrauth.transports.requests import RequestsTransport

CLIENT = "canary-client-id"
SECRET = "canary-client-secret"
TOKEN = "canary-access-token"
STATEMENT = jwt(sub="app", canary="canary")
CANARIES = (CLIENT, SECRET, TOKEN, STATEMENT[20:60])


def assert_clean(text: str) -> None:
    """Fail, without quoting it, if a canary is in *text*."""
    found = [number for number, canary in enumerate(CANARIES) if canary in text]
    assert not found, f"canaries {found} are visible"


class CanaryServer:
    """A transport to a server that hands out canaries."""

    def __init__(self, *faults: Response | Exception) -> None:
        self.faults = list(faults)

    def send(self, request: Request) -> Response:
        fault = self.faults.pop(0) if self.faults else None
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault
        if request.endpoint.endswith("register"):
            return Response(201, {}, f'{{"client_id":"{CLIENT}","client_secret":"{SECRET}"}}'.encode())
        return Response(201, {}, f'{{"access_token":"{TOKEN}","expires_in":3600}}'.encode())


def everything() -> list[Any]:
    """One of every object of ours that has seen a secret."""
    provider = AdobePass(STATEMENT, token_request="query")
    credentials = ClientCredentials(CLIENT, SECRET, metadata={"client_secret": SECRET})
    token = AccessToken(TOKEN, 0, 1)
    source = TokenSource(provider, store=MemoryStore(), transport=CanaryServer())
    return [
        provider,
        provider._statement,
        credentials,
        token,
        source,
        provider.registration_request(),
        provider.token_request(credentials),
        Response(201, {"set-cookie": TOKEN}, TOKEN.encode()),
        provider.read_token(Response(201, {}, f'{{"access_token":"{TOKEN}"}}'.encode())),
        write_credentials("key", credentials),
        *(kind.auth(source) for kind in KINDS),
    ]


@pytest.mark.fault("an object of ours is printed, logged or formatted", "no secret is in its text")
def test_no_repr_shows_a_secret() -> None:
    """repr, str and format of every object, alone and in containers, are clean."""
    for each in everything():
        assert_clean(repr(each) + repr([each]) + f"{each}")


@pytest.mark.fault(
    "an object of ours is pickled or copied",
    "a pickle is refused or has no secret in it; copies work",
)
def test_no_pickle_carries_a_secret() -> None:
    """Pickling an object of ours is refused or leaves the secret out; deep copies keep working."""
    for each in everything():
        try:
            data = pickle.dumps(each)
        except TypeError as refusal:
            assert_clean(str(refusal))
        else:
            assert_clean(data.decode("latin-1"))
        assert copy.deepcopy([each])[0] is each


FAULTS = [
    Response(400, {}, f'{{"error":"invalid_request","error_description":"{SECRET}"}}'.encode()),
    Response(400, {}, f'{{"error":"{SECRET} {TOKEN}"}}'.encode()),
    Response(200, {}, f"<html>{SECRET}</html>".encode()),
    Response(503, {}, SECRET.encode()),
    RuntimeError(f"a transport that quotes {SECRET}"),
]


@pytest.mark.fault(
    "a renewal fails, and its error is logged with the variables of every frame",
    "no secret is in the error, its traceback, the events and the log",
)
@pytest.mark.parametrize("fault", FAULTS, ids=repr)
@pytest.mark.parametrize("calls_before", [0, 1])
def test_no_failure_shows_a_secret(
    fault: Any, calls_before: int, tmp_path: Path, caplog: pytest.LogCaptureFixture, time: ManualClock
) -> None:
    """Exceptions, their pickles, tracebacks with local variables, events and log lines are clean."""
    caplog.set_level(logging.DEBUG)
    told: list[events.Event] = []
    server = CanaryServer(
        *[CanaryServer().send(AdobePass(STATEMENT).registration_request())] * calls_before, *[fault] * 3
    )
    source = TokenSource(
        AdobePass(STATEMENT),
        store=FileStore(tmp_path),
        transport=server,
        policy=EAGER,
        on_event=told.append,
        clock=time.clock,
    )
    with pytest.raises(DCRAuthError) as caught:
        source.token()
    assert source.flush_events(20.0)
    error = caught.value
    assert_clean(everything_about(error) + caplog.text + repr(told))
    assert_clean(everything_about(in_terms_of((OSError,), error)))
    assert_clean(pickle.dumps(error).decode("latin-1") if error.description is None else "")


def everything_about(error: BaseException, *functions: str) -> str:
    """The error as str and repr and as the most talkative of tracebacks, with the locals of every frame of ours.

    Parameters:
        functions: names of functions of this module whose frames count as well.
    """
    frames = traceback.TracebackException.from_exception(error, capture_locals=True)
    ours = "".join(
        f"{frame.filename}:{frame.lineno} {frame.locals}"
        for chained in _chain(frames)
        for frame in chained.stack
        if ("dcrauth" in frame.filename and "adapters_tests" not in frame.filename) or frame.name in functions
    )
    return f"{error} {error!r}" + "".join(traceback.format_exception(error)) + ours


def _chain(frames: traceback.TracebackException | None) -> list[traceback.TracebackException]:
    return [] if frames is None else [frames, *_chain(frames.__cause__), *_chain(frames.__context__)]


def test_no_file_name_shows_a_secret(tmp_path: Path, time: ManualClock) -> None:
    """The names of the files of a store tell nothing; its records are there to hold the secrets."""
    source = TokenSource(AdobePass(STATEMENT), store=FileStore(tmp_path), transport=CanaryServer(), clock=time.clock)
    source.token()
    assert_clean(" ".join(str(path) for path in tmp_path.rglob("*")))
    assert any(SECRET.encode() in path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())


@pytest.mark.fault("everything is logged at DEBUG, by the HTTP libraries as well", "no secret is in the log")
@pytest.mark.parametrize("form", ["form", "query"])
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_no_debug_log_shows_a_secret(
    kind: Kind, form: Any, adobe: Simulator, caplog: pytest.LogCaptureFixture, time: ManualClock, tmp_path: Path
) -> None:
    """With everything logged at DEBUG, by us and by the HTTP libraries, a whole life of a token leaves no trace."""
    caplog.set_level(logging.DEBUG)
    source = TokenSource(
        AdobePass(adobe.software_statement, base_url=adobe.url, token_request=form),
        store=FileStore(tmp_path),
        transport=kind.auth._own_transport(),
        policy=EAGER,
        clock=time.clock,
    )
    with kind.open(kind.auth(source)) as app:
        for _ in range(2):
            assert app.get(f"{adobe.url}/api/v2/REF30/configuration").status == 200
            adobe.revoke_tokens()
    secrets = [adobe.software_statement, *secrets_in(adobe)]
    assert len(secrets) >= 4
    assert caplog.records
    text = caplog.text + "".join(repr(vars(record)) for record in caplog.records)
    assert not any(secret in text for secret in secrets)


@pytest.mark.fault(
    "a response of requests is pickled, as caches do, and its auth object with it",
    "the header goes along, as any does, and nothing else of ours; an auth object that comes out refuses to work",
)
def test_a_pickled_response_of_requests_has_the_header_and_no_more(adobe: Simulator, source: TokenSource) -> None:
    """Requests pickles a response together with its request and its hooks: with one token, and nothing stored."""
    import requests

    from dcrauth.requests import DCRAuth

    api = f"{adobe.url}/api/v2/REF30/configuration"
    with requests.Session() as session:
        session.auth = DCRAuth(source)
        session.get(api, timeout=20)
        adobe.revoke_tokens()
        response = session.get(api, timeout=20)
    data = pickle.dumps(response)
    assert pickle.loads(data).json() == response.json()  # noqa: S301  # our own bytes
    text = data.decode("latin-1")
    assert text.count(source.token().value) == 1
    tokens = {call.headers["authorization"].removeprefix("Bearer ") for call in adobe.calls if "api" in call.path}
    for secret in {adobe.software_statement, *secrets_in(adobe)} - tokens:
        assert secret not in text


def test_an_unpickled_auth_refuses_to_work(source: TokenSource, adobe: Simulator) -> None:
    """An auth object that comes out of a pickle fails loudly instead of sending requests without a token."""
    import requests

    from dcrauth.requests import DCRAuth

    auth = pickle.loads(pickle.dumps(DCRAuth(source)))  # noqa: S301  # our own bytes
    with pytest.raises(DCRAuthError, match="attach a new one"):
        requests.get(adobe.url, auth=auth, timeout=20)
    assert adobe.calls == ()


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.name)
def test_errors_of_the_adapters_show_no_secret(kind: Kind, source: TokenSource, adobe: Simulator) -> None:
    """What a user sees when a renewal fails, with all frames and locals of ours, is clean."""
    adobe.inject("token", Fault(status=400, body=b'{"error":"invalid_request"}'))
    with kind.open(kind.auth(source)) as app, pytest.raises(DCRAuthError) as caught:
        app.get(f"{adobe.url}/api/v2/REF30/configuration")
    text = everything_about(caught.value)
    assert not any(secret in text for secret in (adobe.software_statement, *secrets_in(adobe)))
    assert sys.getsizeof(text) > 100


class Failing(MemoryStore):
    """A store that fails once with a record in its hands.

    Parameters:
        method: what fails.
        reason: what is raised.
    """

    def __init__(self, method: str, reason: BaseException) -> None:
        super().__init__()
        self._reasons, whole = [reason], getattr(self, method)

        def fails(*record: Any, **more: Any) -> Any:
            held = [*record, *more.values(), whole(*record, **more)]
            if any(isinstance(each, bytes) and len(each) > 50 for each in held) and self._reasons:
                raise self._reasons.pop()
            return held[-1]

        setattr(self, method, fails)


@pytest.mark.fault(
    "a store fails with a record in its hands, and the error is logged with the variables of every frame",
    "no secret is in the error, its traceback, the events and the log",
)
@pytest.mark.parametrize("method", ["add", "get", "put"])
@pytest.mark.parametrize("kind", [StoreUnavailable, KeyError, SystemExit, KeyboardInterrupt])
def test_no_failure_of_a_store_shows_a_secret(
    method: str, kind: type[BaseException], caplog: pytest.LogCaptureFixture, time: ManualClock
) -> None:
    """Whatever a store raises, from whichever frame, what can be told of it is clean; the next renewal succeeds."""
    caplog.set_level(logging.DEBUG)
    told: list[events.Event] = []
    source = TokenSource(
        AdobePass(STATEMENT),
        store=Failing(method, kind("the store's own words")),
        transport=CanaryServer(),
        policy=EAGER,
        on_event=told.append,
        clock=time.clock,
    )
    text = ""
    try:
        source.token()
    except DCRAuthError as error:
        text = everything_about(error, *_OF_STORES)
    assert source.flush_events(20)
    for event in told:
        if isinstance(event, events.StoreProblem | events.RenewalFailed):
            text += everything_about(event.error, *_OF_STORES)
    assert text
    assert_clean(text + caplog.text + repr(told))
    time.advance(120)
    assert source.token().value == TOKEN


_OF_STORES = ("fails", "whole")


@pytest.mark.parametrize("call", ["write", "sync_file", "link", "read"])
def test_no_failure_of_a_disk_shows_a_secret(call: str, tmp_path: Path, time: ManualClock) -> None:
    """The same for a file store whose disk fails, from the depths of which the record could be seen."""
    disk = FailingDisk()
    with contextlib.ExitStack() as failing:
        for at in range(1, 20):
            store = FileStore(tmp_path / str(at))
            store._folders.disk = disk
            source = TokenSource(
                AdobePass(STATEMENT), store=store, transport=CanaryServer(), policy=EAGER, clock=time.clock
            )
            failing.enter_context(disk.failing(call, at, errno.ENOSPC, lasting=True))
            try:
                source.token()
            except DCRAuthError as error:
                assert_clean(everything_about(error))
            failing.close()
            time.advance(120)
            assert source.token().value == TOKEN
            if not disk.struck:
                break


@pytest.mark.fault(
    "Ctrl-C while a request waits, and the interrupt is logged with the variables of every frame",
    "no secret is in its traceback",
)
# What is interrupted between the HTTP library and us is nobody's to close but the garbage collector's.
@pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning")
@pytest.mark.slow
@pytest.mark.parametrize("kind", [kind for kind in KINDS if not kind.is_async], ids=str)
def test_no_interrupt_of_a_request_shows_a_secret(kind: Kind, make_source: Any, adobe: Simulator) -> None:
    """In whichever of our lines a request is interrupted, the variables of all frames of ours are clean."""
    api = f"{adobe.url}/api/v2/REF30/configuration"
    texts = []
    with kind.open(None, pool=1000) as app:  # as an interrupted request may keep its connection

        def prepare() -> Callable[[], object]:
            app.native.auth = kind.auth(make_source(on_event=None))

            def twice() -> None:
                app.get(api)
                adobe.revoke_tokens()
                app.get(api)

            return twice

        for interrupting, act in interrupts(prepare):
            try:
                with interrupting:
                    act()
            except KeyboardInterrupt as interrupt:
                texts.append(everything_about(interrupt))
        assert prepare()() is None
    gc.collect()  # in this test, not in another
    secrets = (adobe.software_statement, *secrets_in(adobe))
    assert len(texts) > 20
    assert not any(secret in text for secret in secrets for text in texts)


FIELDS = ("value", "obtained_at", "client_id", "client_secret", "text", "body", "url")


def serialised() -> list[Callable[[Any], object]]:
    """What applications turn their values into text with."""
    import json

    import orjson
    import pydantic
    import pydantic_core

    return [
        dataclasses.asdict,
        dataclasses.astuple,
        vars,
        dict,
        iter,
        orjson.dumps,
        partial(orjson.dumps, default=vars),
        partial(json.dumps, default=vars),
        pydantic_core.to_json,
        lambda value: pydantic.TypeAdapter(type(value)).dump_json(value),
        lambda value: pydantic.create_model("Answer", token=(Any, ...))(token=value).model_dump_json(),
        lambda value: value.__reduce__(),
        lambda value: value.__getstate__(),
        pickle.dumps,
    ]


@pytest.mark.fault(
    "an application returns a token from a route of its API, or gives it to a serialiser",
    "orjson, pydantic, `json` and `dataclasses` refuse it",
)
@pytest.mark.parametrize("serialise", serialised())
def test_no_serialiser_takes_a_secret(serialise: Callable[[Any], object]) -> None:
    """Nothing that holds a secret is written by what writes dataclasses, or objects by their fields."""
    values = [each for each in everything() if any(hasattr(each, name) for name in FIELDS)]
    assert len(values) >= 7
    for each in values:
        with pytest.raises((TypeError, ValueError, pydantic_errors())):
            serialise(each)


def pydantic_errors() -> type[Exception]:
    from pydantic import PydanticUserError

    return PydanticUserError


def test_confidential_values_are_values() -> None:
    """They are frozen, equal by their fields, and can be made anew with a field changed."""
    token = AccessToken(TOKEN, 0, 1)
    assert token == AccessToken(TOKEN, 0, 1)
    assert hash(token) == hash(AccessToken(TOKEN, 0, 1))
    assert token != AccessToken(TOKEN, 0, 2)
    assert replaced(token, expires_at=2) == AccessToken(TOKEN, 0, 2)
    with pytest.raises(AttributeError):
        token.value = "other"  # type: ignore[misc]
    with pytest.raises((AttributeError, TypeError)):
        token.other = "other"  # type: ignore[attr-defined]
    assert weakref.ref(token)() is token


LONG = jwt(sub="app", canary="canary" * 20)
DAMAGED = LONG[:-20] + "+" + LONG[-20:]
PASSWORD = "canary-client-secret"


@pytest.mark.fault(
    "a constructor refuses an argument, and the error is logged with the variables of every frame",
    "no secret is in the error or its traceback",
)
@pytest.mark.parametrize(
    "make",
    [
        lambda: AdobePass(DAMAGED),
        lambda: AdobePass(DAMAGED[3:]),
        lambda: AdobePass(Path(LONG)),
        lambda: AdobePass(STATEMENT, environment=LONG),  # type: ignore[arg-type]
        lambda: AdobePass(STATEMENT, token_request=LONG),  # type: ignore[arg-type]
        lambda: AdobePass(STATEMENT, base_url=LONG),
        lambda: AdobePass(STATEMENT, base_url=f"ftp://{LONG}"),
        lambda: AdobePass(STATEMENT, forwarded_for=f"{LONG} "),
        lambda: SoftwareStatement(DAMAGED),
        lambda: SoftwareStatement.of(io.BytesIO(DAMAGED.encode())),
        lambda: FileStore(LONG * 2),
        lambda: SQLiteStore(LONG * 2),
        lambda: RedisStore(f"redis://:{PASSWORD}/@host"),
        lambda: RequestsTransport(proxy=f"ftp://user:{PASSWORD}@host"),
        lambda: EncryptedStore(MemoryStore(), keys=[PASSWORD.encode()]),
        lambda: TokenSource(AdobePass(STATEMENT), store=f"redis://:{PASSWORD}@host"),  # type: ignore[arg-type]
        lambda: KINDS[0].auth(AdobePass(STATEMENT), store=f"redis://:{PASSWORD}@host"),
        lambda: Policy(reregister=LONG),  # type: ignore[arg-type]
    ],
)
def test_no_constructor_shows_a_secret(make: Callable[[], object]) -> None:
    """What a constructor raises quotes no argument, and none of its frames has one."""
    with pytest.raises(DCRAuthError) as caught:
        make()
    text = everything_about(caught.value)
    assert_clean(text)
    assert LONG[20:60] not in text + everything_about(caught.value.__context__ or caught.value)
    assert "in discreetly" in text  # the lines are there


def test_variables_of_others_stay() -> None:
    """The frames of what the application was handling, when it called us, are its own."""

    def fails() -> None:
        mine = "kept"
        raise KeyError(mine)

    def calls_us_meanwhile() -> None:
        try:
            fails()
        except KeyError:
            with pytest.raises(DCRAuthError):
                AdobePass(DAMAGED)
            with pytest.raises(DCRAuthError):
                TokenSource(AdobePass(STATEMENT), store=5)  # type: ignore[arg-type]
            raise

    with pytest.raises(KeyError) as handled:
        calls_us_meanwhile()
    assert "kept" in str([frame.f_locals for frame, _ in traceback.walk_tb(handled.value.__traceback__)])


def classes_with_a_repr() -> list[type]:
    public = [each for each in vars(dcrauth).values() if isinstance(each, type)]
    others = [SQLiteStore, RedisStore, EncryptedStore, FileStore, Simulator, RequestsTransport]
    attached = {*(kind.auth for kind in KINDS), *(kind.auth._own_transport for kind in KINDS)}
    return [
        each
        for each in sorted({*public, *others, *attached}, key=_place)
        if not issubclass(each, BaseException) and "_is_protocol" not in vars(each)
    ]


def _place(kind: type) -> str:
    return f"{kind.__module__}.{kind.__name__}"


@pytest.mark.parametrize("kind", classes_with_a_repr(), ids=_place)
def test_no_repr_fails(kind: type) -> None:
    """An object of which nothing is made yet can be shown, as a traceback of a failed constructor may do."""
    made = object.__new__(kind)
    assert kind.__name__ in repr(made)


def test_the_error_of_a_constructor_can_be_shown_with_variables() -> None:
    """Python 3.11 loses an error whose traceback has an object in it that cannot be shown."""

    class Own(AdobePass):
        def __init__(self, statement: str) -> None:
            super().__init__(statement)

    class OwnSource(TokenSource):
        def __init__(self, provider: Any) -> None:
            super().__init__(provider)

    for make in (lambda: Own("missing.txt"), lambda: OwnSource(5)):
        with pytest.raises(DCRAuthError) as caught:
            make()
        text = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
        assert "self = <Own" in text
        assert str(caught.value) in text


def test_a_transport_shows_no_password() -> None:
    """The user and the password of a proxy are left out where a transport is shown, and what helps is there."""
    for kind in KINDS:
        for proxy in (f"http://user:{PASSWORD}@proxy:3128", f"http://{PASSWORD}@proxy:3128"):
            shown = repr(kind.auth._own_transport(proxy=proxy, read_timeout=3))
            assert_clean(shown)
            assert "proxy='http://proxy:3128'" in shown
            assert "read_timeout=3" in shown


@pytest.mark.fault("a server's error code or its words quote a secret", "neither the error nor the log has it")
@pytest.mark.parametrize(
    ("calls_before", "echo"),
    [
        (0, STATEMENT[:90]),
        (0, STATEMENT.split(".")[1]),
        (1, SECRET),
        (1, CLIENT),
        (1, f"unknown:{CLIENT}"),
    ],
    ids=["statement", "claims", "secret", "id", "id in a code"],
)
@pytest.mark.parametrize("form", ["form", "query"])
def test_no_error_code_is_a_secret(
    calls_before: int, echo: str, form: Any, caplog: pytest.LogCaptureFixture, time: ManualClock
) -> None:
    """A code that a server has made of what it was sent is no code, and is in no text and no attribute."""
    caplog.set_level(logging.DEBUG)
    body = f'{{"error":"{echo}","error_description":"no {echo} here"}}'.encode()
    refusal = Response(400, {"adobe-request-id": echo}, body)
    first = [CanaryServer().send(AdobePass(STATEMENT).registration_request())] * calls_before
    told: list[events.Event] = []
    source = TokenSource(
        AdobePass(STATEMENT, token_request=form),
        store=MemoryStore(),
        transport=CanaryServer(*first, *[refusal] * 3),
        policy=EAGER,
        on_event=told.append,
        clock=time.clock,
    )
    with pytest.raises(DCRAuthError) as caught:
        source.token()
    assert source.flush_events(20)
    assert echo not in everything_about(caught.value) + caplog.text + repr(told)
    assert caught.value.error is None
    assert echo not in pickle.dumps(caught.value).decode("latin-1")


@pytest.mark.parametrize(
    ("where", "echo"),
    [
        ("error_description", "x" * 170 + SECRET * 4),
        ("error_description", f"no {STATEMENT[7:60]}… here"),
        ("error_description", f"no {STATEMENT.split('.')[1][:30]}"),
        ("error", f"unknown:{STATEMENT[2:40]}"),
    ],
    ids=["cut by us", "cut by the server", "half of the claims", "in a code"],
)
def test_no_words_of_a_server_have_a_part_of_a_secret(where: str, echo: str) -> None:
    """What a server quotes in part, or what is cut in the middle of a secret, is left out as the whole is."""
    provider = AdobePass(STATEMENT)
    secret = SECRET * 4
    requests = provider.registration_request(), provider.token_request(ClientCredentials("id", secret))
    problem = provider.read_token(Response(400, {}, json.dumps({"error": "refused", where: echo}).encode()))
    assert isinstance(problem, Problem)
    for request in requests:
        problem = answer_secrets.without_secrets(problem, request)
    shown = f"{problem.reason} {problem.error} {problem.description}"
    parts = {each[at : at + 12] for each in (STATEMENT, secret) for at in range(len(each) - 11)}
    assert not [part for part in parts if part in shown]


def test_error_codes_that_are_no_secrets_are_told() -> None:
    """What a server may say stays: registered codes, and others that have nothing to do with the request."""
    request = AdobePass(STATEMENT).token_request(ClientCredentials("id", "a-secret-of-theirs"))
    for code in ("invalid_client", "invalid_client_credentials", "client_credentials", "id_unknown", "tomorrow"):
        problem = Problem(f"HTTP 400, {code}", 400, code)
        assert answer_secrets.without_secrets(problem, request) == problem
    assert answer_secrets.without_secrets(Problem("HTTP 400, id", 400, "id"), request).error is None


def test_no_value_of_ours_shows_bytes() -> None:
    """No dataclass of the package has a field of bytes, which may be a record, in its repr."""
    shown = [
        f"{kind.__name__}.{each.name}"
        for module in list(sys.modules.values())
        if module.__name__.partition(".")[0] == "dcrauth" and ".simulator" not in module.__name__
        for kind in vars(module).values()
        if isinstance(kind, type) and dataclasses.is_dataclass(kind) and kind.__module__ == module.__name__
        for each in dataclasses.fields(kind)
        if "bytes" in str(each.type) and each.repr
    ]
    assert shown == ["Record.mark"]  # digits that are drawn for each writing


def test_the_canaries_would_be_found() -> None:
    """The search itself works: a text with a canary fails."""
    with pytest.raises(AssertionError, match="visible"):
        assert_clean(f"token={TOKEN}")
