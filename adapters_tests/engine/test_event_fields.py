"""Events as JSON and as fields of log records, whatever the program has made of logging."""

from __future__ import annotations

import dataclasses
import io
import json
import logging
import math
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, get_type_hints

import pytest
import structlog
from pythonjsonlogger.json import JsonFormatter

import dcrauth
from adapters_tests.common.direct import Server
from adapters_tests.common.secrets import secrets_in
from dcrauth import MemoryStore, RegistrationRejected, TokenSource, events
from dcrauth._internal.log import log as say
from dcrauth._internal.verdict import Verdict
from dcrauth.engine.event_dispatch import log
from dcrauth.errors import DCRAuthError
from dcrauth.simulator import Fault, Simulator

KINDS = [
    each
    for each in vars(events).values()
    if isinstance(each, type) and issubclass(each, events.Event) and each is not events.Event
]
ERROR = RegistrationRejected(
    "The statement was refused", status=400, error="invalid_software_statement", description="no", trace="t-1"
)
VALUES = {float | None: 2.5, str: "text", float: 1.5, int: 3, Verdict: Verdict.USER, DCRAuthError: ERROR}


def example(kind: type[Any]) -> events.Event:
    hints = get_type_hints(kind)
    made: events.Event = kind(**{each.name: VALUES[hints[each.name]] for each in dataclasses.fields(kind)})
    return made


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_event_is_json(kind: type[events.Event]) -> None:
    """Each event comes to a dict that any JSON encoder takes, with its name and all its fields."""
    event = example(kind)
    found = json.loads(json.dumps(event.to_dict(), allow_nan=False))
    assert found == event.to_dict()
    assert found["event"] == kind.__name__
    assert set(found) == {"event", *(each.name for each in dataclasses.fields(kind))}


def test_an_error_is_told_with_all_that_is_known_of_it() -> None:
    """The error of an event is a dict with what a support ticket needs; infinity is no number of JSON."""
    told = events.RenewalFailed("1a2b3c4d", ERROR, math.inf, 0.5, 2).to_dict()
    assert told["error"] == {
        "type": "RegistrationRejected",
        "message": "The statement was refused",
        "status": 400,
        "error": "invalid_software_statement",
        "description": "no",
        "trace": "t-1",
        "retry_at": None,
    }
    assert told["retry_at"] is None
    assert events.RequestRefused("1a2b3c4d", Verdict.USER, 1.0).to_dict()["verdict"] == "user"


def test_what_events_come_to_holds_no_secret(make_source: Callable[..., TokenSource], adobe: Simulator) -> None:
    """Neither statement, nor client credentials, nor token are in what the events of a life come to."""
    told: list[events.Event] = []
    source = make_source(on_event=told.append)
    adobe.inject("token", Fault(status=503))
    token = source.token()
    source.refused(token, Verdict.TOKEN)
    source.token(instead_of=token)
    source.forget()
    assert source.flush_events(10.0)
    text = json.dumps([event.to_dict() for event in told])
    assert len(told) >= 4
    secrets = {*secrets_in(adobe), adobe.software_statement, token.value}
    assert not [secret for secret in secrets if secret in text]


@pytest.fixture
def logged() -> Iterator[Callable[[logging.Formatter], io.StringIO]]:
    """Has what dcrauth logs written to memory, through a formatter."""
    logger, handlers = logging.getLogger("dcrauth"), list[logging.Handler]()
    before = logger.level
    logger.setLevel(logging.DEBUG)

    def through(formatter: logging.Formatter) -> io.StringIO:
        handler = logging.StreamHandler(io.StringIO())
        handler.setFormatter(formatter)
        logger.addHandler(handler)
        handlers.append(handler)
        written: io.StringIO = handler.stream
        return written

    yield through
    for handler in handlers:
        logger.removeHandler(handler)
    logger.setLevel(before)


FORMATTERS: dict[str, Callable[[], logging.Formatter]] = {
    "plain": logging.Formatter,
    "json": lambda: JsonFormatter("%(message)s"),
    "structlog": lambda: structlog.stdlib.ProcessorFormatter(
        processors=[
            structlog.stdlib.ExtraAdder(),
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.JSONRenderer(),
        ]
    ),
}


@pytest.mark.parametrize("name", FORMATTERS)
@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.__name__)
def test_each_event_goes_through_each_formatter(
    logged: Callable[..., io.StringIO], name: str, kind: type[events.Event], capsys: pytest.CaptureFixture[str]
) -> None:
    """Plain logging, python-json-logger and structlog write each event, those for machines with its fields."""
    written, event = logged(FORMATTERS[name]()), example(kind)
    log(event)
    assert kind.__name__ in written.getvalue()
    if name != "plain":
        found = json.loads(written.getvalue())
        assert {f"dcrauth_{key}": value for key, value in event.to_dict().items()}.items() <= found.items()
    assert capsys.readouterr().err == ""


def test_fields_of_records_are_none_of_loggings_own() -> None:
    """No key that is given along is an attribute of a log record, or becomes one when it is formatted."""
    record = logging.makeLogRecord({})
    logging.Formatter("%(asctime)s %(message)s").format(record)
    keys = {f"dcrauth_{name}" for kind in KINDS for name in example(kind).to_dict()}
    assert keys.isdisjoint(vars(record))


def raising(*_: object, **__: object) -> Any:
    raise KeyError("Attempt to overwrite 'message' in LogRecord")


class RaisingFilter(logging.Filter):
    """One that a program has got wrong."""

    filter = raising


class RaisingHandler(logging.Handler):
    """One that a program has got wrong."""

    emit = raising


@pytest.mark.parametrize("where", ["factory", "filter", "handler", "stderr that is closed", "no stderr"])
def test_no_logging_of_ours_raises(where: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever factory, filter or handler a program has, and be stderr gone, a renewal comes to its end."""
    logger = logging.getLogger("dcrauth")
    handler, sieve, before = RaisingHandler(), RaisingFilter(), logging.getLogRecordFactory()
    if where == "factory":
        logging.setLogRecordFactory(raising)
    elif where == "filter":
        logger.addFilter(sieve)
    else:
        logger.addHandler(handler)
    if "stderr" in where:
        closed = io.StringIO()
        closed.close()
        monkeypatch.setattr(sys, "stderr", None if where == "no stderr" else closed)
    level = logger.level
    logger.setLevel(logging.DEBUG)
    try:
        assert Server().source_here(MemoryStore()).token().value
        say(logging.ERROR, "%s", "text", exc_info=True)
    finally:
        logging.setLogRecordFactory(before)
        logger.removeFilter(sieve)
        logger.removeHandler(handler)
        logger.setLevel(level)


def test_a_factory_that_adds_fields_has_ours_as_well(logged: Callable[..., io.StringIO]) -> None:
    """A program whose records have attributes more, such as a request id, gets our fields beside them."""
    before = logging.getLogRecordFactory()

    def factory(*given: Any, **named: Any) -> logging.LogRecord:
        record = before(*given, **named)
        record.request_id = record.identity = record.event = "theirs"
        return record

    written = logged(JsonFormatter("%(message)s %(request_id)s %(event)s"))
    logging.setLogRecordFactory(factory)
    try:
        log(events.Registered("1a2b3c4d"))
    finally:
        logging.setLogRecordFactory(before)
    found = json.loads(written.getvalue())
    assert (found["request_id"], found["event"]) == ("theirs", "theirs")
    assert (found["dcrauth_event"], found["dcrauth_identity"]) == ("Registered", "1a2b3c4d")


def test_every_line_of_ours_goes_through_the_door_that_never_raises() -> None:
    """No module of the package calls a logger by itself, but for the simulator and the command, which are programs."""
    package = Path(dcrauth.__file__).parent
    calling = {
        path.relative_to(package).parts[0]
        for path in package.rglob("*.py")
        if 'logging.getLogger("dcrauth' in path.read_text(encoding="utf-8")
    }
    assert calling - {"simulator", "cli"} == {"_internal"}
