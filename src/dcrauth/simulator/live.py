"""The page at the simulator's root, and the events by which it is kept up to date."""

import json
from collections.abc import Iterator
from dataclasses import asdict
from importlib.resources import files
from typing import Any

from dcrauth.simulator.http import Stream
from dcrauth.simulator.masking import mask_body, mask_headers, mask_query, mask_text
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.run import Run
from dcrauth.simulator.service import Service

_MOST_CALLS = 200
_MOST_TEXT = 16_384
_PAUSE = 0.1
_LOOK_AGAIN = 1.0
_BEAT = 15
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = (
    ("Content-Security-Policy", _POLICY),
    ("X-Content-Type-Options", "nosniff"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cache-Control", "no-store"),
)
_FILES = {
    "page.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
}


def page(name: str) -> Reply | None:
    """Return a file of the page, if it has one of that name."""
    if name not in _FILES:
        return None
    body = files("dcrauth.simulator").joinpath("page", name).read_bytes()
    return Reply(200, body, (("Content-Type", _FILES[name]), *_HEADERS))


def stream(service: Service[Any, Any, Any]) -> Stream:
    """Return the events, which end when the simulator stops."""
    return Stream(_updates(service), (("Content-Type", "text/event-stream"), *_HEADERS))


def state(service: Service[Any, Any, Any]) -> dict[str, Any]:
    """Return what there is beside the calls, as JSON values without secrets."""
    run = service._run
    told = {
        "url": service.url,
        "clock_ahead": run.clock.ahead,
        "counts": asdict(run.record.counts),
        "behaviour": asdict(run.behaviour),
        "scenario": run.faults.scenario and run.faults.scenario.name,
        "faults": run.faults.waiting(),
        "endpoints": [*run.endpoints],
        "actions": [*run.actions],
    }
    return {**told, **run.snapshot()}


def summary(call: Call, run: Run[Any, Any]) -> dict[str, Any]:
    """Return a call on one row, as JSON values without secrets."""
    return {
        "number": call.number,
        "at": call.at,
        "environment": call.environment,
        "endpoint": call.endpoint,
        "method": call.method,
        "path": mask_text(call.path, run.is_secret),
        "status": call.status,
        "why": mask_text(call.why, run.is_secret),
    }


def detail(call: Call, run: Run[Any, Any], *, show_secrets: bool = False) -> dict[str, Any]:
    """Return what of a call was on the wire, as JSON values, without secrets unless asked for."""
    reply = call.reply or Reply(0)
    headers = dict(reply.headers)
    sent = {"query": call.query, "headers": dict(call.headers), "body": _text(call.body)}
    got = {"headers": headers, "body": _text(reply.body)}
    if not show_secrets:
        is_secret = run.is_secret
        sent = {
            "query": mask_query(call.query, is_secret),
            "headers": mask_headers(call.headers, is_secret),
            "body": mask_body(call.body, call.headers.get("content-type", ""), is_secret),
        }
        got = {
            "headers": mask_headers(headers, is_secret),
            "body": mask_body(reply.body, headers.get("Content-Type", ""), is_secret),
        }
    return summary(call, run) | {"request": _shortened(sent), "reply": _shortened(got)}


def _text(body: bytes) -> str:
    return body.decode("utf-8", "backslashreplace")


def _shortened(told: dict[str, Any]) -> dict[str, Any]:
    return told | {"body": told["body"][:_MOST_TEXT]}


def _updates(service: Service[Any, Any, Any]) -> Iterator[bytes]:
    """Send what is new, at most ten times a second.

    Nothing waits for a reader: one who is slow is told less often, and of the latest calls only.
    """
    seen, quiet = _Seen(), 0
    while not service._stopped.is_set():
        update = seen.news(service)
        quiet = 0 if update else quiet + 1
        if update:
            yield b"data: " + json.dumps({"now": service._run.clock(), **update}).encode() + b"\n\n"
        elif quiet % _BEAT == 0:
            yield b":\n\n"  # finds out whether anybody is still there
        service._wait_for_change(_LOOK_AGAIN)
        service._stopped.wait(_PAUSE)


class _Seen:
    """What one reader was told so far."""

    def __init__(self) -> None:
        self._beginning: tuple[Run[Any, Any], int] | None = None
        self._number = 0
        self._state = ""

    def news(self, service: Service[Any, Any, Any]) -> dict[str, Any]:
        """Return what the reader does not know yet; empty where there is nothing."""
        run, found = service._run, dict[str, Any]()
        beginning = (run, run.record.cleared)
        if beginning != self._beginning:
            self._beginning, self._number, self._state = beginning, 0, ""
            found["fresh"] = True
        if newer := run.record.since(self._number, _MOST_CALLS):
            self._number = newer[-1].number
            found["calls"] = [summary(call, run) for call in newer]
        told = json.dumps(current := state(service))
        if told != self._state:
            self._state = told
            found["state"] = current
        return found
