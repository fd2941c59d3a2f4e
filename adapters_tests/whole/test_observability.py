"""The page on what is going on: its recipes work, say no secret, and do not grow with the number of identities."""

from __future__ import annotations

import dataclasses
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import REGISTRY
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

import dcrauth
from adapters_tests.common.world import STATEMENT
from dcrauth import Rejected, ServerUnavailable, StoreUnavailable, events
from dcrauth._internal.verdict import Verdict
from dcrauth.engine.event_dispatch import _LEVELS
from dcrauth.errors import DCRAuthError

PAGE = Path(__file__).parents[2] / "docs" / "observability.md"
PATIENCE = 50.0


def run(program: str, folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-c", program]
    (folder / "statement.txt").write_text(STATEMENT)
    environment = os.environ | {"PYTHONPATH": str(Path(dcrauth.__file__).parents[1])}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False
    )


@pytest.mark.slow
def test_the_code_of_the_page_runs(tmp_path: Path) -> None:
    """What a reader copies works, from the first block to the last, in a process of its own."""
    found = run(
        f"""
from pathlib import Path
from sybil import Sybil
from sybil.parsers.markdown import PythonCodeBlockParser

for example in Sybil([PythonCodeBlockParser()]).parse(Path({str(PAGE)!r})).examples():
    example.evaluate()
print("to the end")
""",
        tmp_path,
    )
    assert (found.returncode, found.stdout.splitlines()[-1:]) == (0, ["to the end"]), found.stderr


def test_each_event_is_on_the_page_with_its_fields() -> None:
    """The table has every event, all its fields, and how it is logged."""
    rows = re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\| (\w+) \|$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    told = {name: (re.findall(r"`(\w+)`", re.sub(r"\(.*?\)", "", fields)), level) for name, fields, level in rows}
    kinds = [each for each in vars(events).values() if isinstance(each, type) and issubclass(each, events.Event)]
    levels = {10: "debug", 20: "info", 30: "warning", 40: "error"}
    assert told == {
        kind.__name__: ([each.name for each in dataclasses.fields(kind)[1:]], levels[_LEVELS.get(kind, 10)])
        for kind in kinds
        if kind is not events.Event
    }


@pytest.mark.slow
def test_the_recipe_for_prometheus_is_bounded() -> None:
    """Ten thousand identities with odd errors make no more time series than a handful does."""
    block = next(
        each for each in Sybil([PythonCodeBlockParser()]).parse(PAGE).examples() if "prometheus_client" in each.parsed
    )
    names: dict[str, Any] = {"TokenSource": lambda *_, **__: None, "MemoryStore": lambda: None, "adobe": None}
    exec(block.parsed, names)  # noqa: S102  # the page's
    count = names["count"]
    try:
        for number in range(10_000):
            identity = f"{number:08x}"
            odd = type(
                f"Odd{number % 100}", ((Rejected, ServerUnavailable, StoreUnavailable, DCRAuthError)[number % 4],), {}
            )
            count(events.TokenRenewed(identity, 1.0 * number, 0.1, 1))
            count(events.TokenAdopted(identity, 1.0 * number))
            count(events.RenewalFailed(identity, odd(f"odd {number}"), 1.0, 1.0, number))
            count(events.RequestRefused(identity, list(Verdict)[number % 4], 1.0))
            count(events.CredentialsReplaced(identity))
        series = [sample for each in REGISTRY.collect() for sample in each.samples if "dcrauth" in sample.name]
        assert 10 < len(series) < 60
        failed = {sample.labels.get("outcome") for sample in series} - {None}
        assert failed == {"granted", "adopted", "rejected", "unavailable", "store", "other"}
    finally:
        for name in ("RENEWALS", "SECONDS", "REFUSALS", "ALARMS"):
            REGISTRY.unregister(names[name])


SENTRY = """
import json, logging
import sentry_sdk
from sentry_sdk.transport import Transport
from dcrauth import AdobePass, CredentialsRejected, MemoryStore, TokenSource, events
from dcrauth.requests import DCRAuth
from dcrauth.simulator import Behaviour, Fault, Simulator
import requests

sent = []

class Kept(Transport):
    def capture_envelope(self, envelope):
        sent.extend(item.payload.json for item in envelope.items if item.payload.json)

sentry_sdk.init(dsn="http://key@127.0.0.1:9/1", transport=Kept, include_local_variables=True, max_breadcrumbs=100)
with Simulator() as simulator:
    adobe = AdobePass(simulator.software_statement, base_url=simulator.url)
    session = requests.Session()
    session.auth = DCRAuth(adobe, store=MemoryStore())
    session.get(simulator.url + "/api/v2/REF30/configuration")

    def refused(endpoint):
        simulator.inject(endpoint, Fault(status=400, body=b'{"error":"unauthorized_client"}'), times=9)
        source = TokenSource(adobe, store=MemoryStore())
        try:
            source.token()
        except Exception as error:
            sentry_sdk.capture_exception(error)
        simulator.clear_faults()

    refused("token")

    class Breaking:
        def send(self, request):
            raise RuntimeError("a bug")

    try:
        TokenSource(adobe, store=MemoryStore(), transport=Breaking()).token()
    except Exception as error:
        sentry_sdk.capture_exception(error)
    def listen(event):
        raise ValueError("a bug of a listener")

    source = TokenSource(adobe, store=MemoryStore(), on_event=listen)
    token = source.token()
    source.flush_events(10)
    refused("register")
    sentry_sdk.flush()
    forms = [call.body.decode() + call.query for call in simulator.calls if "token" in call.path]
    tokens = [call.headers.get("authorization", "Bearer ?").split()[1] for call in simulator.calls]
    print(json.dumps({
        "sent": sent,
        "forms": forms,
        "secrets": [each for each in [simulator.software_statement, token.value, *tokens] if len(each) > 4],
    }))
"""


@pytest.mark.slow
def test_error_reports_hold_no_secret_of_ours(tmp_path: Path) -> None:
    """What Sentry's SDK sends of our errors, with all local variables, has our fields and no secret."""
    found = run(SENTRY, tmp_path)
    assert found.returncode == 0, found.stderr
    said = json.loads(found.stdout.splitlines()[-1])
    secrets = {*said["secrets"]}
    for form in said["forms"]:
        secrets |= {part.partition("=")[2] for part in form.split("&") if part.startswith("client_")}
    text = json.dumps(said["sent"])
    assert len(secrets) > 4
    assert len(said["sent"]) >= 4
    assert not [secret for secret in secrets if secret in text]
    assert "dcrauth_event" in text
    assert "a bug of a listener" in text
