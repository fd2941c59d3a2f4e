"""Single sign-on through a partner: the request, the profile, and each way back to the usual login."""

from __future__ import annotations

from typing import Any

import pytest

from adapters_tests.simulator.described import Caller, base64_of
from dcrauth.simulator import Behaviour, Mvpd, Simulator, User, World
from dcrauth.simulator.entitlements.partners import saml_response

WHERE = {"domainName": "adobe.com", "redirectUrl": "https://app.example"}


def framework(fields: Any) -> dict[str, str]:
    """The header of a partner's framework that tells these fields."""
    return {"AP-Partner-Framework-Status": base64_of(fields)}


def status(access: Any = "granted", mvpd: Any = "Cablevision", ends: Any = "4102444800000") -> dict[str, str]:
    """The header of a framework that tells of a user who is logged in."""
    permission, provider = {"accessStatus": access}, {"id": mvpd, "expirationDate": ends}
    fields = {"frameworkPermissionInfo": permission, "frameworkProviderInfo": provider}
    return framework(fields)


def test_a_partner_vouches(adobe: Simulator, caller: Caller) -> None:
    """The request of the partner leads to its answer, that to a profile, and a logout ends with the partner."""
    caller.headers |= status()
    begun = caller.post("sessions/sso/Apple", data=WHERE)
    assert (begun["actionName"], begun["url"]) == ("partner_profile", "/api/v2/REF30/profiles/sso/Apple")
    assert begun["authenticationRequest"]["type"] == "saml"
    made = caller.post("profiles/sso/Apple", data={"SAMLResponse": saml_response("alice")})
    assert (made["profiles"]["Cablevision"]["type"], made["profiles"]["Cablevision"]["issuer"]) == ("appleSSO", "Apple")
    assert caller.decide("authorize", "news")[0]["authorized"]
    assert caller.post("sessions/sso/Apple", data=WHERE)["reasonType"] == "authenticatedSSO"
    assert caller.start()["reasonType"] == "authenticatedSSO"
    assert caller.log_out() == {
        "actionName": "partner_logout", "actionType": "partner_interactive", "mvpd": "Cablevision",
    }  # fmt: skip


REFUSED = [
    ({}, "invalid_header_pfs_permission_access_not_present"),
    (status(access=None), "invalid_header_pfs_permission_access_not_present"),
    (status(access="notDetermined"), "invalid_header_pfs_permission_access_not_determined"),
    (status(access="denied"), "invalid_header_pfs_permission_access_not_granted"),
    (status(access="restricted"), "invalid_header_pfs_permission_access_not_granted"),
    (status(mvpd=""), "invalid_header_pfs_provider_id_not_determined"),
    (status(mvpd=["x"]), "invalid_header_pfs_provider_id_not_determined"),
    (status(mvpd="Nobody"), "invalid_header_pfs_provider_id_mismatch"),
    (status(ends="1000"), "invalid_header_pfs_provider_info_expired"),
    (status(ends="soon"), "invalid_header_pfs_provider_info_expired"),
    ({"AP-Partner-Framework-Status": "@"}, "invalid_header_pfs_permission_access_not_present"),
    (framework({"frameworkPermissionInfo": 1}), "invalid_header_pfs_permission_access_not_present"),
]


@pytest.mark.parametrize(("header", "code"), REFUSED)
def test_what_a_framework_does_not_permit(caller: Caller, header: dict[str, str], code: str) -> None:
    """The session falls back to the usual login; the profile is refused with the code of what is wrong."""
    begun = caller.post("sessions/sso/Apple", data=WHERE, headers=header)
    assert (begun["reasonType"], begun["missingParameters"]) == ("pfs_fallback", ["mvpd"])
    response = caller.send(
        "POST", "REF30/profiles/sso/Apple", data={"SAMLResponse": saml_response("alice")}, headers=header
    )
    assert (response.status_code, response.json()["code"]) == (400, code)


def test_other_ways_back(caller: Caller) -> None:
    """What is missing, or an MVPD that takes no part, leads to the usual login too."""
    begun = caller.post("sessions/sso/Apple", data={"domainName": "adobe.com"}, headers=status())
    assert (begun["reasonType"], begun["actionName"]) == ("missing_parameters_fallback", "resume")
    assert (begun["missingParameters"], begun["mvpd"]) == (["redirectUrl"], "Cablevision")
    begun = caller.post("sessions/sso/Apple", data=WHERE, headers=status(mvpd="Dish"))
    assert (begun["reasonType"], begun["actionName"]) == ("configuration_fallback", "authenticate")
    assert caller.get(f"sessions/{begun['code']}")["existingParameters"]["mvpd"] == "Dish"


def test_who_is_no_partner(caller: Caller) -> None:
    """Unknown partners, MVPDs that take no part and answers that name nobody are refused."""
    for path, data in (("sessions", WHERE), ("profiles", {"SAMLResponse": saml_response("alice")})):
        response = caller.send("POST", f"REF30/{path}/sso/Nobody", data=data, headers=status())
        assert (response.status_code, response.json()["code"]) == (400, "invalid_parameter_partner")
    response = caller.send("POST", "REF30/profiles/sso/Apple", data=WHERE, headers=status(mvpd="Dish"))
    assert response.json()["code"] == "invalid_header_pfs_provider_id_mismatch"
    nobody = {"SAMLResponse": saml_response("<nobody> & co")}
    response = caller.send("POST", "REF30/profiles/sso/Apple", data=nobody, headers=status())
    assert response.json()["code"] == "invalid_parameter_saml_response"


def test_the_status_of_a_partners_profile(adobe: Simulator, caller: Caller) -> None:
    """It is 200 by the files and 201 by a sample; names survive as they were given."""
    adobe.behaviour = Behaviour(partner_profile_status=201, wording="pages")
    adobe.world = World(mvpds=(Mvpd(id="Cablevision", partners=("Apple",)),), users=(User(name="a <b> & c"),))
    response = caller.send(
        "POST", "REF30/profiles/sso/Apple", data={"SAMLResponse": saml_response("a <b> & c")}, headers=status()
    )
    assert response.status_code == 201
    assert response.json()["profiles"]["Cablevision"]["attributes"]["userID"]["value"] == "a <b> & c"
