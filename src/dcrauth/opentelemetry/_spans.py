"""The spans of a renewal and of its calls."""

import logging
import time
from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import urlsplit

from opentelemetry import context, trace

from dcrauth._internal.log import log
from dcrauth.credentials import AccessToken
from dcrauth.engine.observer import Observation, Subject
from dcrauth.errors import DCRAuthError
from dcrauth.events import Event
from dcrauth.opentelemetry._instruments import Instruments, kind_of, kind_of_status
from dcrauth.providers.protocol import Request, Response

T = TypeVar("T")


class Telemetry:
    """Looks on at all renewals.

    Parameters:
        tracer: what makes spans.
        instruments: what metrics are recorded with.
    """

    def __init__(self, tracer: trace.Tracer, instruments: Instruments) -> None:
        self.tracer, self.instruments = tracer, instruments

    def begin(self, subject: Subject) -> Observation:
        """Return what looks on at one renewal."""
        return _Renewal(self, subject)

    def told(self, event: Event) -> None:
        """Count *event*."""
        _safely(lambda: self.instruments.count(event))


class _Renewal:
    """Looks on at one renewal.

    Parameters:
        telemetry: where what is seen goes.
        subject: what it is about.
    """

    def __init__(self, telemetry: Telemetry, subject: Subject) -> None:
        self._telemetry, self._subject = telemetry, subject
        self._asked, self._begun = time.time_ns(), time.perf_counter()
        # Of who has asked for it nothing but this is kept, which is two numbers.
        self._origin = trace.get_current_span().get_span_context()
        self._is_child = self._is_granted = False
        self._span: trace.Span | None = None

    def turn(self, act: Callable[[], T]) -> T:
        """Do *act* with a span about the renewal being the current one."""
        attached = _safely(self._attached)
        try:
            return act()
        finally:
            _detach(attached)

    def call(self, request: Request, send: Callable[[], Response]) -> Response:
        """Do *send* with a span about the call being the current one."""
        seen = _Call(self._telemetry, request)
        attached = _safely(seen.begin)
        try:
            response = send()
        except BaseException as reason:
            status, kind = getattr(reason, "status", None), kind_of(reason)
            _safely(lambda: seen.end(status, kind))
            raise
        else:
            kind_of_answer = kind_of_status(response.status)
            _safely(lambda: seen.end(response.status, kind_of_answer))
            self._is_granted = seen.operation == "token" and kind_of_answer is None
            return response
        finally:
            _detach(attached)

    def end(self, outcome: AccessToken | DCRAuthError) -> None:
        """End the span, and record the renewal."""
        _safely(lambda: self._end(outcome))

    def _attached(self) -> Any:
        """Have the span be the current one; a new one from when whoever its parent is of waits no longer."""
        here = trace.get_current_span().get_span_context()
        if self._span is None or (self._is_child and here != self._origin):
            self._span = self._next_span(self._span, here)
        return context.attach(trace.set_span_in_context(self._span))

    def _next_span(self, last: trace.Span | None, here: trace.SpanContext) -> trace.Span:
        self._is_child = self._subject.is_awaited and self._origin.is_valid and here == self._origin
        before = [self._origin]
        if last is not None:
            last.end()
            before.append(last.get_span_context())
        return self._telemetry.tracer.start_span(
            "dcrauth.renewal",
            None if self._is_child else context.Context(),
            links=[trace.Link(each) for each in before if each.is_valid and not self._is_child],
            attributes={
                "dcrauth.identity": self._subject.identity,
                "dcrauth.renewal.awaited": self._subject.is_awaited,
            },
            start_time=self._asked if last is None else None,
        )

    def _end(self, outcome: AccessToken | DCRAuthError) -> None:
        span = trace.INVALID_SPAN if self._span is None else self._span
        ending = "granted" if self._is_granted else "adopted"
        kind = None
        if not isinstance(outcome, AccessToken):
            ending, kind = "failed", kind_of(outcome)
            span.set_attribute("error.type", kind)
            span.set_status(trace.StatusCode.ERROR, outcome.message)
        span.set_attribute("dcrauth.renewal.outcome", ending)
        span.end()
        seconds, where = time.perf_counter() - self._begun, trace.set_span_in_context(span)
        is_awaited = self._subject.is_awaited
        self._telemetry.instruments.renewed(seconds, ending, kind, is_awaited=is_awaited, where=where)


class _Call:
    """One call of an endpoint.

    Parameters:
        telemetry: where what is seen goes.
        request: what is sent; nothing of it is kept but how it is sent, and where.

    Attributes:
        operation: what it is for: registrations say so, and of all others only that of a token is a POST.
    """

    def __init__(self, telemetry: Telemetry, request: Request) -> None:
        self._telemetry, self._endpoint, self._method = telemetry, request.endpoint, request.method
        self.operation = "registration" if request.registers else "token" if request.method == "POST" else "other"
        self._has_query = request.url != request.endpoint
        self._begun = time.perf_counter()
        self._span: trace.Span = trace.INVALID_SPAN

    def begin(self) -> Any:
        """Have a span be the current one."""
        server = urlsplit(self._endpoint)
        self._span = self._telemetry.tracer.start_span(
            f"dcrauth.{self.operation}",
            kind=trace.SpanKind.CLIENT,
            attributes={
                "http.request.method": self._method,
                "server.address": server.hostname or "",
                "server.port": server.port or (443 if server.scheme == "https" else 80),
                "url.full": self._endpoint,
            },
        )
        current = trace.set_span_in_context(self._span)
        if self._has_query:  # which holds a secret, and which the instrumentation of an HTTP library would tell of
            current = context.set_value(context._SUPPRESS_HTTP_INSTRUMENTATION_KEY, True, current)
        return context.attach(current)

    def end(self, status: int | None, kind: str | None) -> None:
        """End it: with the *status* of the answer, and with the *kind* of error, each if there was one."""
        if status is not None:
            self._span.set_attribute("http.response.status_code", status)
        if kind is not None:
            self._span.set_attribute("error.type", kind)
            self._span.set_status(trace.StatusCode.ERROR)
        self._span.end()
        seconds, where = time.perf_counter() - self._begun, trace.set_span_in_context(self._span)
        self._telemetry.instruments.called(seconds, self.operation, status, kind, where)


def _safely(act: Callable[[], T]) -> T | None:
    """Do *act*; what a processor or an exporter of the program's raises is logged, and stops no renewal."""
    try:
        return act()
    except Exception:
        log(logging.ERROR, "OpenTelemetry could not be told of a renewal", exc_info=True)
        return None


def _detach(attached: Any) -> None:
    if attached is not None:
        _safely(lambda: context.detach(attached))
