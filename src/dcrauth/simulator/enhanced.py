"""Enhanced Errors (Adobe Pass documentation: Enhanced Error Codes): the codes, their statuses and actions."""

import uuid
from collections.abc import Mapping
from typing import Any

from dcrauth.simulator.behaviour import Behaviour
from dcrauth.simulator.messages import Reply

_HELP = (
    "https://experienceleague.adobe.com/docs/pass/authentication/auth-features/error-reportn/enhanced-error-codes.html"
)

_BY_STATUS_AND_ACTION = {
    (400, "none"): """
        invalid_parameter_service_provider invalid_parameter_mvpd invalid_parameter_code invalid_parameter_resources
        invalid_parameter_redirect_url invalid_parameter_partner invalid_parameter_saml_response
        invalid_header_device_info invalid_header_device_identifier invalid_header_identity_for_temporary_access
        invalid_header_pfs_permission_access_not_present invalid_header_pfs_permission_access_not_determined
        invalid_header_pfs_permission_access_not_granted invalid_header_pfs_provider_id_not_determined
        invalid_header_pfs_provider_id_mismatch invalid_header_pfs_provider_info_expired invalid_integration
        invalid_authentication_session
    """,
    (403, "none"): """
        preauthorization_denied_by_mvpd authorization_denied_by_mvpd authorization_denied_by_parental_controls
        authorization_denied_by_degradation_rule
    """,
    (500, "none"): "internal_server_error",
    (403, "configuration"): "too_many_resources",
    (500, "configuration"): """
        invalid_configuration_user_metadata_certificate invalid_configuration_temporary_access
        invalid_configuration_platform invalid_configuration_platform_id invalid_configuration_platform_trait
        invalid_configuration_platform_category_trait invalid_configuration_platform_services
        invalid_configuration_mvpd_platform invalid_configuration_mvpd_platform_boarding_status
        invalid_configuration_mvpd_platform_profile_exchange
    """,
    (401, "application-registration"): "invalid_access_token_service_provider invalid_access_token_client_application",
    (403, "authentication"): """
        authenticated_profile_missing authenticated_profile_expired authenticated_profile_invalidated
        temporary_access_duration_limit_exceeded temporary_access_resources_limit_exceeded
        authorization_denied_by_hba_policies authorization_denied_by_session_invalidated
        identity_not_recognized_by_mvpd
    """,
    (403, "retry"): "network_received_error network_connection_timeout maximum_execution_time_exceeded",
}
CODES: Mapping[str, tuple[int, str]] = {
    code: meaning for meaning, codes in _BY_STATUS_AND_ACTION.items() for code in codes.split()
}
"""Status and action of each code of REST API v2."""


class Refusal(Exception):
    """A call is answered with an Enhanced Error.

    Parameters:
        code: what went wrong.
        why: the same in a sentence, for whoever wrote the program that called.
        status: the status, where the catalogue does not tell it.
        headers: header fields of the answer.
    """

    def __init__(self, code: str, why: str, *, status: int = 400, headers: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(why)
        self.code = code
        self.why = why
        self.status, self.action = CODES.get(code, (status, "none"))
        self.headers = headers

    def reply(self, behaviour: Behaviour) -> Reply:
        """Return the answer."""
        return enhanced(self.status, self.code, self.action, self.why, behaviour, *self.headers)


def enhanced(status: int, code: str, action: str, why: str, behaviour: Behaviour, *headers: tuple[str, str]) -> Reply:
    """Return an answer that is an Enhanced Error."""
    return explained(Reply.json(status, error_fields(status, code, action, why, behaviour), *headers), why)


def explained(reply: Reply, why: str) -> Reply:
    """Return *reply* with the reason for it."""
    return Reply(reply.status, reply.body, reply.headers, why=why)


def error_fields(status: int, code: str, action: str, why: str, behaviour: Behaviour) -> dict[str, Any]:
    """Return the fields of an Enhanced Error, the whole of an answer or a part of it."""
    told = "message" if behaviour.wording == "pages" else "details"
    fields = {"action": action, "status": status, "code": code, told: why}
    return fields | {"helpUrl": _HELP, "trace": str(uuid.uuid4())}


def item_error(code: str, why: str, behaviour: Behaviour) -> dict[str, Any]:
    """Return the fields of an Enhanced Error about one item of an answer."""
    status, action = CODES.get(code, (403, "none"))
    return error_fields(status, code, action, why, behaviour)
