"""Spans and metrics of renewals, as OpenTelemetry's SDK exports them, beside its instrumentations of HTTP clients."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import fastapi
import httpx
import pytest
from opentelemetry import trace
from opentelemetry.instrumentation.aiohttp_client import AioHttpClientInstrumentor
from opentelemetry.instrumentation.fastapi import FastAPIInstrumentor
from opentelemetry.instrumentation.httpx import HTTPXClientInstrumentor
from opentelemetry.instrumentation.requests import RequestsInstrumentor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import dcrauth.httpx
import dcrauth.opentelemetry
from adapters_tests.common.clock import ManualClock
from adapters_tests.common.direct import Server
from adapters_tests.common.secrets import secrets_in
from adapters_tests.common.world import STATEMENT
from dcrauth import (
    AdobePass,
    Clock,
    ConfigurationError,
    MemoryStore,
    Policy,
    ServerUnavailable,
    StoreUnavailable,
    Throttled,
    TokenSource,
    TokenSources,
)
from dcrauth.engine.job import Job
from dcrauth.engine.observer import Subject
from dcrauth.engine.workers import WORKERS
from dcrauth.providers.protocol import Request, Response, Verdict
from dcrauth.simulator import Behaviour, Fault, Simulator
from dcrauth.transports.aiohttp import AiohttpTransport
from dcrauth.transports.httpx import HttpxTransport
from dcrauth.transports.requests import RequestsTransport

PATIENCE = 10.0


class Watched:
    """What is exported of a test."""

    def __init__(self) -> None:
        self.exporter, self.reader = InMemorySpanExporter(), InMemoryMetricReader()
        self.traces, self.metrics = TracerProvider(), MeterProvider([self.reader])
        self.traces.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.traces.get_tracer("a test")

    @property
    def spans(self) -> list[ReadableSpan]:
        return sorted(self.exporter.get_finished_spans(), key=lambda span: span.start_time or 0)

    def named(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.spans if span.name == name]

    def points(self) -> dict[str, list[Any]]:
        """The data points of each metric."""
        data: Any = self.reader.get_metrics_data()
        scopes = [scope for each in data.resource_metrics for scope in each.scope_metrics] if data else []
        return {metric.name: list(metric.data.data_points) for scope in scopes for metric in scope.metrics}

    def text(self) -> str:
        data: Any = self.reader.get_metrics_data()
        return "".join(span.to_json() for span in self.spans) + (data.to_json() if data else "")


@pytest.fixture
def watched() -> Iterator[Watched]:
    """What is exported while dcrauth is instrumented."""
    found = Watched()
    dcrauth.opentelemetry.instrument(tracer_provider=found.traces, meter_provider=found.metrics)
    yield found
    dcrauth.opentelemetry.uninstrument()
    found.metrics.shutdown()
    found.traces.shutdown()


@pytest.fixture(autouse=True)
def sound(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Nothing is logged about a span that was detached where it was not attached, and none is current afterwards."""
    yield
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]
    assert "could not be told" not in caplog.text
    assert trace.get_current_span() is trace.INVALID_SPAN
    assert on_workers() == [trace.INVALID_SPAN] * 16


class Looking(Job):
    """A job that sees what is current on a bare worker, outside of any caller's context."""

    __slots__ = ("seen",)

    def __init__(self) -> None:
        super().__init__("nowhere", Clock(), is_urgent=True)
        self.seen: list[Any] = []

    def take(self) -> None:
        """Look."""
        self.seen.append(trace.get_current_span())


def on_workers() -> list[Any]:
    """What is current on workers, as many as there may be."""
    jobs = [Looking() for _ in range(16)]
    assert all(map(WORKERS.submit, jobs))
    wait_until(lambda: all(job.seen for job in jobs))
    return [job.seen[0] for job in jobs]


@contextmanager
def instrumented(watched: Watched, *kinds: Any) -> Iterator[None]:
    """Have HTTP clients instrumented as programs have them."""
    instrumentors = [kind() for kind in kinds]
    for each in instrumentors:
        each.instrument(tracer_provider=watched.traces, meter_provider=watched.metrics)
    try:
        yield
    finally:
        for each in instrumentors:
            each.uninstrument()


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def parent_of(span: ReadableSpan) -> int | None:
    return span.parent.span_id if span.parent else None


def id_of(span: ReadableSpan) -> int:
    return span.get_span_context().span_id  # type: ignore[union-attr]


def trace_of(span: ReadableSpan) -> int:
    return span.get_span_context().trace_id  # type: ignore[union-attr]


def check_parents_end_last(spans: list[ReadableSpan]) -> None:
    by_id = {id_of(span): span for span in spans}
    for span in spans:
        parent = by_id.get(parent_of(span) or 0)
        if parent is not None:
            assert (parent.end_time or 0) >= (span.end_time or 0), f"{parent.name} ended before {span.name}"
            assert (parent.start_time or 0) <= (span.start_time or 0)


def test_a_trace_goes_from_the_application_to_the_server(
    watched: Watched, adobe: Simulator, provider: AdobePass, api: str
) -> None:
    """Through FastAPI, httpx, a renewal and its calls to the simulator there is one trace, and no secret in it."""
    app = fastapi.FastAPI()
    source = TokenSource(provider, store=MemoryStore(), transport=HttpxTransport())

    @app.get("/watch")
    async def watch() -> int:
        async with httpx.AsyncClient(auth=dcrauth.httpx.DCRAuth(source)) as client:
            return (await client.get(api)).status_code

    async def visit() -> list[int]:
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://app") as browser:
            first = (await browser.get("/watch")).json()
            adobe.revoke_tokens()
            return [first, (await browser.get("/watch")).json()]

    FastAPIInstrumentor.instrument_app(app, tracer_provider=watched.traces, exclude_spans=["send", "receive"])
    with instrumented(watched, HTTPXClientInstrumentor):
        assert asyncio.run(visit()) == [200, 200]
    spans = watched.spans
    assert len({trace_of(span) for span in spans}) == 2, "one trace for each visit"
    first = [span for span in spans if trace_of(span) == trace_of(spans[0])]
    by_id = {id_of(span): span for span in first}
    ways = {" < ".join(way(span, by_id)) for span in first}
    assert ways == {
        "GET /watch",
        "dcrauth.renewal < GET /watch",
        "dcrauth.registration < dcrauth.renewal < GET /watch",
        "POST < dcrauth.registration < dcrauth.renewal < GET /watch",
        "dcrauth.token < dcrauth.renewal < GET /watch",
        "POST < dcrauth.token < dcrauth.renewal < GET /watch",
        "GET < GET /watch",
    }
    check_parents_end_last(spans)
    seen = {call.headers["traceparent"].split("-")[1] for call in adobe.calls}
    assert seen == {f"{trace_of(span):032x}" for span in spans}
    secrets = {*secrets_in(adobe), adobe.software_statement}
    assert not [secret for secret in secrets if secret in watched.text()]


def way(span: ReadableSpan, by_id: dict[int, ReadableSpan]) -> list[str]:
    parent = by_id.get(parent_of(span) or 0)
    return [span.name, *(way(parent, by_id) if parent else [])]


@pytest.mark.parametrize(
    ("transport", "instrumentor", "beneath"),
    [
        (RequestsTransport, RequestsInstrumentor, []),
        (HttpxTransport, HTTPXClientInstrumentor, ["POST", "POST"]),
        (AiohttpTransport, AioHttpClientInstrumentor, ["POST", "POST"]),
    ],
    ids=["requests", "httpx", "aiohttp"],
)
def test_spans_stand_beside_those_of_the_http_library(
    watched: Watched,
    adobe: Simulator,
    transport: Callable[[], Any],
    instrumentor: Any,
    beneath: list[str],
    provider: Any,
) -> None:
    """With each transport, registration and token call are spans below the renewal, and the library's below those."""
    with instrumented(watched, instrumentor):
        kept = transport()
        kept.close()
        with watched.tracer.start_as_current_span("request"):
            TokenSource(provider, store=MemoryStore(), transport=kept).token()
        kept.close()
    by_id = {id_of(span): span for span in watched.spans}
    assert len({trace_of(span) for span in watched.spans}) == 1
    calls = [*watched.named("dcrauth.registration"), *watched.named("dcrauth.token")]
    below = [span for span in watched.spans if parent_of(span) in {id_of(each) for each in calls}]
    assert [span.name for span in below] == beneath
    assert {" < ".join(way(each, by_id)) for each in calls} == {
        "dcrauth.registration < dcrauth.renewal < request",
        "dcrauth.token < dcrauth.renewal < request",
    }
    check_parents_end_last(watched.spans)


@pytest.mark.parametrize(
    ("transport", "instrumentor"),
    [(HttpxTransport, HTTPXClientInstrumentor), (AiohttpTransport, AioHttpClientInstrumentor)],
    ids=["httpx", "aiohttp"],
)
def test_a_secret_in_a_url_is_in_no_span(
    watched: Watched, adobe: Simulator, transport: Callable[[], Any], instrumentor: Any
) -> None:
    """Of a token call with the client secret in its query, the HTTP library's instrumentation sees nothing."""
    provider = AdobePass(adobe.software_statement, base_url=adobe.url, token_request="query")
    with instrumented(watched, instrumentor):
        kept = transport()
        kept.close()
        TokenSource(provider, store=MemoryStore(), transport=kept).token()
        kept.close()
    assert [span.name for span in watched.spans if not span.name.startswith("dcrauth.")] == ["POST"]
    assert not [secret for secret in secrets_in(adobe) if secret in watched.text()]


def test_spans_say_what_was_done(watched: Watched, adobe: Simulator, make_source: Callable[..., TokenSource]) -> None:
    """A span of a call has the attributes of the conventions for HTTP clients, one of a renewal its outcome."""
    adobe.inject("token", Fault(status=503))
    source = make_source()
    source.token()
    failed, granted = watched.named("dcrauth.token")
    server = {"server.address": "127.0.0.1", "server.port": int(adobe.url.rpartition(":")[2])}
    common = {"http.request.method": "POST", "url.full": f"{adobe.url}/o/client/token", **server}
    assert attributes(failed) == common | {"http.response.status_code": 503, "error.type": "503"}
    assert attributes(granted) == common | {"http.response.status_code": 201}
    assert [span.kind for span in (failed, granted)] == [trace.SpanKind.CLIENT] * 2
    assert [span.status.is_ok for span in (failed, granted)] == [False, True]
    (renewal,) = watched.named("dcrauth.renewal")
    identity = source.status().identity[:8]
    assert attributes(renewal) == {
        "dcrauth.identity": identity,
        "dcrauth.renewal.awaited": True,
        "dcrauth.renewal.outcome": "granted",
    }


def test_a_renewal_that_fails_says_why(
    watched: Watched, adobe: Simulator, make_source: Callable[..., TokenSource]
) -> None:
    """The span of a renewal that has failed has the kind of error; so has that of a call without an answer."""
    adobe.inject("token", Fault(status=429, headers=(("Retry-After", "3600"),)))
    with pytest.raises(Throttled):
        make_source().token()
    (renewal,) = watched.named("dcrauth.renewal")
    assert attributes(renewal)["error.type"] == "Throttled"
    assert attributes(renewal)["dcrauth.renewal.outcome"] == "failed"
    assert not renewal.status.is_ok
    adobe.inject("token", Fault(reset=True), times=3)
    with pytest.raises(ServerUnavailable):
        make_source(policy=Policy(attempts=1)).token()
    assert attributes(watched.named("dcrauth.token")[-1])["error.type"] == "ServerUnavailable"


def test_a_renewal_in_the_background_is_a_trace_of_its_own(
    watched: Watched, make_source: Callable[..., TokenSource], time: ManualClock
) -> None:
    """What nobody waits for does not hang below a request that has ended, but is linked to it."""
    source = make_source(policy=Policy())
    token = source.token()
    time.advance(token.expires_at - time.wall() - 120)
    with watched.tracer.start_as_current_span("request") as request:
        source.token()
    wait_until(lambda: len(watched.named("dcrauth.renewal")) == 2)
    renewal = watched.named("dcrauth.renewal")[1]
    assert renewal.parent is None
    assert [link.context for link in renewal.links] == [request.get_span_context()]
    assert attributes(renewal)["dcrauth.renewal.awaited"] is False
    assert trace_of(watched.named("dcrauth.token")[-1]) == trace_of(renewal)


def wait_until(is_true: Callable[[], object]) -> None:
    pause = threading.Event()
    for _ in range(int(PATIENCE * 200)):
        if is_true():
            return
        pause.wait(0.005)
    raise AssertionError("it has not come")


class Slow(Server):
    """A server that throttles the first call of each identity for so many seconds."""

    def __init__(self, seconds: str) -> None:
        super().__init__()
        self._seconds, self.throttled, self._lock = seconds, 0, threading.Lock()
        self.left = 0

    def send(self, request: Request) -> Response:
        with self._lock:
            self.left -= 1
            if self.left >= 0:
                return Response(429, {"retry-after": self._seconds}, b"")
            return super().send(request)


def test_a_caller_who_has_given_up_has_nothing_more_below_it(watched: Watched) -> None:
    """What is done after a renewal was parked and its caller has gone is a trace of its own, with links to both."""
    now = [1_000_000.0]
    server = Slow("60")
    server.left = 1
    clock = Clock(wall=lambda: now[0], monotonic=lambda: now[0])
    source = server.source_here(MemoryStore(), clock=clock, policy=Policy(timeout=600))

    async def ask() -> trace.Span:
        with watched.tracer.start_as_current_span("request") as request:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(source.token_async(), 0.05)
            wait_until(lambda: len(WORKERS.state.parked) and not WORKERS.state.running)
            return request

    request = asyncio.run(ask())
    now[0] += 600
    source.token()
    first, second = watched.named("dcrauth.renewal")
    assert parent_of(first) == request.get_span_context().span_id
    assert second.parent is None
    assert {link.context.span_id for link in second.links} == {request.get_span_context().span_id, id_of(first)}
    assert {trace_of(span) for span in watched.named("dcrauth.token")} == {trace_of(second)}
    (registration, *_) = watched.named("dcrauth.registration")
    assert parent_of(registration) == id_of(first)


@pytest.mark.slow
def test_crowds_that_are_parked_and_cancelled_leave_no_span_behind(
    watched: Watched, caplog: pytest.LogCaptureFixture
) -> None:
    """Of eight threads, with renewals parked and taken up by other workers and callers who give up, all spans fit."""
    server = Slow("1.1")
    server.left = 8
    sources = TokenSources(
        AdobePass(STATEMENT),
        store=MemoryStore(),
        transport=server,
        policy=Policy(timeout=20),
    )

    async def ask(name: str, patience: float) -> bool:
        try:
            await asyncio.wait_for(sources.get(name).token_async(), patience)
        except TimeoutError:
            return False
        return True

    def one(number: int) -> bool:
        with watched.tracer.start_as_current_span(f"request {number}"):
            done = asyncio.run(ask(f"device-{number % 12}", 0.3 if number % 3 == 0 else PATIENCE))
            assert trace.get_current_span().get_span_context().is_valid
        assert trace.get_current_span() is trace.INVALID_SPAN
        return done

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(one, range(24)))
        assert list(pool.map(lambda _: trace.get_current_span(), range(16))) == [trace.INVALID_SPAN] * 16
    wait_until(lambda: not WORKERS.is_busy and not len(WORKERS.state.parked))
    assert done.count(True) >= 8
    ours = [span for span in watched.spans if span.name.startswith("dcrauth.")]
    check_parents_end_last(ours)
    patient = {f"request {number}" for number, each in enumerate(done) if each}
    check_parents_end_last([*ours, *(span for span in watched.spans if span.name in patient)])
    assert not [record for record in caplog.records if record.name.startswith("opentelemetry")]


class Breaking(SpanProcessor):
    """One that a program has got wrong."""

    def on_start(self, *_: object, **__: object) -> None:
        raise ValueError("on_start")

    def on_end(self, *_: object, **__: object) -> None:
        raise ValueError("on_end")


def test_telemetry_that_breaks_stops_no_renewal() -> None:
    """What a processor of the program's raises is logged, and the token comes all the same."""
    traces = TracerProvider()
    traces.add_span_processor(Breaking())
    dcrauth.opentelemetry.instrument(tracer_provider=traces)
    records: list[str] = []

    class Noting(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record.getMessage())

    noting = Noting()
    logging.getLogger("dcrauth").addHandler(noting)
    logging.getLogger("dcrauth").propagate = False
    try:
        assert Server().source_here(MemoryStore()).token().value
    finally:
        logging.getLogger("dcrauth").propagate = True
        logging.getLogger("dcrauth").removeHandler(noting)
        dcrauth.opentelemetry.uninstrument()
    assert "OpenTelemetry could not be told of a renewal" in records


def sums(points: list[Any], name: str) -> dict[Any, Any]:
    return {point.attributes.get(name): getattr(point, "count", getattr(point, "value", None)) for point in points}


def test_metrics_of_a_life(
    watched: Watched, adobe: Simulator, make_source: Callable[..., TokenSource], time: ManualClock
) -> None:
    """Renewals by outcome, calls, 401s, retries, identities and how long tokens last are counted."""
    source = make_source()
    token = source.token()
    assert source.refused(token, Verdict.TOKEN)
    source.token(instead_of=token)
    source.retried()
    adobe.behaviour = Behaviour()
    adobe.inject("token", Fault(status=429, headers=(("Retry-After", "3600"),)))
    with pytest.raises(Throttled):
        make_source().token()
    points = watched.points()
    assert sums(points["dcrauth.renewal.duration"], "dcrauth.renewal.outcome") == {"granted": 2, "failed": 1}
    calls = [(point.attributes, point.count) for point in points["dcrauth.call.duration"]]
    status, operation = "http.response.status_code", "dcrauth.operation"
    assert ({operation: "registration", status: 201}, 2) in calls
    assert ({operation: "token", status: 201}, 2) in calls
    assert ({operation: "token", status: 429, "error.type": "429"}, 1) in calls
    assert sums(points["dcrauth.request.refusals"], "dcrauth.verdict") == {"token": 1}
    assert [point.value for point in points["dcrauth.request.retries"]] == [1]
    assert sums(points["dcrauth.events"], "dcrauth.event")["TokenRenewed"] == 2
    states = sums(points["dcrauth.identities"], "dcrauth.token.state")
    assert states["valid"] >= 1
    assert states["none"] >= 1
    (remaining,) = points["dcrauth.token.remaining"]
    assert 0 < remaining.value <= source.token().expires_at - time.wall()


class Odd(StoreUnavailable):
    """An error of a store, of a kind of its own."""


@pytest.mark.slow
def test_the_number_of_time_series_is_bounded(watched: Watched) -> None:
    """Ten thousand instances with odd errors make no more data points than a handful does."""
    kinds = [type(f"Odd{number}", (Odd,), {}) for number in range(50)]
    told: Any = dcrauth.opentelemetry._spans.Telemetry(
        watched.traces.get_tracer("t"), dcrauth.opentelemetry._instruments.Instruments(watched.metrics.get_meter("t"))
    )
    provider = AdobePass(STATEMENT)
    for number in range(10_000):
        looking = told.begin(Subject(f"{number:08x}", is_awaited=bool(number % 2)))
        request = Request(provider.token_url, {}, b"", f"{provider.token_url}", repeatable=True)
        looking.turn(lambda: None)
        if number % 3:
            looking.call(request, lambda number=number: Response(number % 1_000, {}, b""))  # type: ignore[misc]
        else:
            with pytest.raises(Odd):
                looking.call(request, lambda number=number: raising(kinds[number % 50](f"odd {number}")))  # type: ignore[misc]
        looking.end(kinds[number % 50](f"odd {number}"))
    points = watched.points()
    assert {point.attributes["error.type"] for point in points["dcrauth.renewal.duration"]} == {"StoreUnavailable"}
    assert sum(map(len, points.values())) < 200


def raising(error: Exception) -> Any:
    raise error


def test_it_is_instrumented_once(watched: Watched) -> None:
    """To instrument twice is an error that says what to do; so is a provider that is none."""
    with pytest.raises(ConfigurationError, match="uninstrument"):
        dcrauth.opentelemetry.instrument()
    for wrong in ({"tracer_provider": watched.tracer}, {"meter_provider": "prometheus"}):
        with pytest.raises(ConfigurationError, match="Provider"):
            dcrauth.opentelemetry.instrument(**wrong)  # type: ignore[arg-type]


def test_nothing_is_made_after_it_was_ended(watched: Watched) -> None:
    """After uninstrument() there are no more spans, and identities are counted no more."""
    dcrauth.opentelemetry.uninstrument()
    Server().source_here(MemoryStore()).token()
    assert watched.spans == []
    assert not watched.points().get("dcrauth.identities")
