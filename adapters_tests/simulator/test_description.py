"""The description that the simulator serves: that it is one, that it is kept, and that clients can be made of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from adapters_tests.simulator.described import INFO, SESSION, Caller, Description, base64_of
from adapters_tests.simulator.generated import WRITTEN, described
from adapters_tests.simulator.generated.adobe_client import AuthenticatedClient
from adapters_tests.simulator.generated.adobe_client.api.v2 import (
    authorize,
    create_session,
    get_configuration,
    get_profile_of_code,
    get_profiles,
    logout,
)
from adapters_tests.simulator.generated.adobe_client.models import (
    Configuration,
    Decisions,
    EnhancedError,
    Logouts,
    Profiles,
    ResourceList,
    Session,
    SessionParameters,
)
from dcrauth import AdobePass, DeviceInfo, MemoryStore
from dcrauth.httpx import DCRAuth
from dcrauth.simulator import Behaviour, Simulator, openapi
from dcrauth.simulator.operations import OPERATIONS

BOUNDED = settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)


def test_it_is_served(adobe: Simulator, description: Description) -> None:
    """It tells of the fifteen operations, is there without a token, and costs no call."""
    assert description.document == openapi.DESCRIPTION
    assert len(list(description.operations())) == len(OPERATIONS) == 15
    assert (adobe.counts.api, adobe.calls) == (0, ())
    for name, schema in description.document["components"]["schemas"].items():
        jsonschema.Draft202012Validator.check_schema(schema)
        assert name[0].isupper()


def test_every_switch_is_listed() -> None:
    """What the documents leave open is a switch that docs/testing.md tells of."""
    text = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    troubles = {"refuse_every_token", "registers", "token_life", "retry_after"}
    switches = {each.name for each in fields(Behaviour) if not each.name.endswith("_delay")} - troubles
    assert sorted(name for name in switches if f"`{name}`" not in text and f"Behaviour({name}=" not in text) == []


def test_the_generated_client_is_of_today() -> None:
    """The client was made of the description as it is; if not: python -m adapters_tests.simulator.generated."""
    assert WRITTEN.read_text(encoding="utf-8") == described()


def test_the_flow_with_a_generated_client(adobe: Simulator) -> None:
    """A client that was generated from the description registers, logs in and asks for a decision, by DCRAuth."""
    device = DeviceInfo(model="m", version="1", os_name="Linux", os_version="6", connection_type="LAN")
    provider = AdobePass(adobe.software_statement, base_url=adobe.url, device_info=device)
    auth = DCRAuth(provider, store=MemoryStore())
    headers: dict[str, Any] = {
        "ap_device_identifier": f"fingerprint {base64_of(b'x')}",
        "x_device_info": base64_of(INFO),
    }
    with AuthenticatedClient(base_url=adobe.url, token="", httpx_args={"auth": auth}) as client:
        found = get_configuration.sync("REF30", client=client)
        assert isinstance(found, Configuration)
        mvpd = found.requestor.mvpds[0].id
        parameters = SessionParameters.from_dict(SESSION | {"mvpd": mvpd})
        session = create_session.sync("REF30", client=client, body=parameters, **headers)
        assert isinstance(session, Session)
        code = str(session.code)
        adobe.log_in(code, "alice")
        profiles = get_profile_of_code.sync("REF30", code, client=client)
        assert isinstance(profiles, Profiles)
        assert profiles.profiles[mvpd].type_ == "regular"
        resources = ResourceList(resources=["news"])
        decisions = authorize.sync("REF30", mvpd, client=client, body=resources, **headers)
        assert isinstance(decisions, Decisions)
        assert decisions.decisions[0].authorized
        left = logout.sync("REF30", mvpd, client=client, redirect_url="https://app.example", **headers)
        assert isinstance(left, Logouts)
        headers["ap_device_identifier"] = "none"
        refused = get_profiles.sync("REF30", client=client, **headers)
        assert isinstance(refused, EnhancedError)
        assert refused.code == "invalid_header_device_identifier"


@pytest.fixture(scope="module")
def explored() -> Iterator[tuple[Any, Caller, Simulator]]:
    """A simulator that schemathesis knows from its description alone."""
    import schemathesis

    with Simulator() as simulator:
        caller = Caller(simulator, Description(simulator))
        yield schemathesis.openapi.from_url(f"{simulator.url}/openapi.json"), caller, simulator
        caller.close()


@pytest.mark.slow
@pytest.mark.parametrize("operation", [each.name for each in OPERATIONS])
def test_whatever_is_sent(explored: tuple[Any, Caller, Simulator], operation: str) -> None:
    """Good and bad requests of all sorts are never answered with a 500, nor with what is not in the description."""
    schema, caller, simulator = explored
    code = caller.start()["code"]
    known = {"serviceProvider": "REF30", "mvpd": "Cablevision", "partner": "Apple", "code": code}
    statuses = set()

    @BOUNDED
    @given(
        case=good_and_bad(schema.find_operation_by_id(operation)),
        good_parameters=st.sets(st.sampled_from(sorted(known))),
        good_headers=st.sets(st.sampled_from(sorted(caller.headers))),
    )
    def explore(case: Any, good_parameters: set[str], good_headers: set[str]) -> None:
        given_parameters = dict(case.path_parameters or {}) | {"serviceProvider": "REF30"}
        case.path_parameters = given_parameters | {name: known[name] for name in good_parameters}
        case.headers = dict(case.headers or {}) | {name: caller.headers[name] for name in good_headers}
        response = case.call(base_url=simulator.url, allow_redirects=False)
        case.validate_response(response, checks=checks())
        statuses.add(response.status_code)

    explore()
    assert statuses & {400, 401}


def good_and_bad(operation: Any) -> st.SearchStrategy[Any]:
    """Requests of an operation, as they should be and as they should not."""
    from schemathesis.generation import GenerationMode

    good: st.SearchStrategy[Any] = operation.as_strategy(generation_mode=GenerationMode.POSITIVE)
    return good | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE)


def checks() -> list[Any]:
    """What is held against each answer."""
    from schemathesis.checks import not_a_server_error
    from schemathesis.specs.openapi import checks as described_checks

    named = ("status_code_conformance", "content_type_conformance", "response_schema_conformance")
    return [not_a_server_error, *(getattr(described_checks, name) for name in named)]
