"""The simulator's description of its fifteen operations, in OpenAPI 3.1; served at ``/openapi.json``."""

import re
from typing import Any

from dcrauth.simulator.enhanced import CODES
from dcrauth.simulator.entitlements.device import HARDWARE, IDENTIFIER, INFO
from dcrauth.simulator.operations import OPERATIONS, Operation

_TEXT = {"type": "string"}
_TEXTS = {"type": "array", "items": _TEXT}
_FLAG = {"type": "boolean"}
_NUMBER = {"type": "integer"}
_MILLISECONDS = {"type": "integer", "format": "int64", "description": "Milliseconds since the epoch."}
_MILLISECONDS_AS_TEXT = {"type": "string", "pattern": "^[0-9]+$", "description": "Milliseconds since the epoch."}


def _one_of(*values: str) -> dict[str, Any]:
    return {"type": "string", "enum": list(values)}


def _table(required: dict[str, Any], optional: dict[str, Any] | None = None) -> dict[str, Any]:
    fields = {**required, **(optional or {})}
    return {"type": "object", "properties": fields, **({"required": list(required)} if required else {})}


def _map_of(name: str) -> dict[str, Any]:
    return {"type": "object", "additionalProperties": _named(name)}


def _list_of(name: str) -> dict[str, Any]:
    return {"type": "array", "items": _named(name)}


def _named(name: str) -> dict[str, Any]:
    return {"$ref": f"#/components/schemas/{name}"}


_LASTING = {"notBefore": _MILLISECONDS_AS_TEXT, "notAfter": _MILLISECONDS_AS_TEXT}
_VERSION = _table({"major": _NUMBER, "minor": _NUMBER, "patch": _NUMBER, "profile": _TEXT})
_SESSION = _table(
    {
        "actionName": _one_of("authenticate", "resume", "retry", "authorize"),
        "actionType": _one_of("interactive", "direct"),
        "reasonType": _one_of("none", "authenticated", "temporary", "degraded", "authenticatedSSO"),
        "url": _TEXT,
        "sessionId": _TEXT,
        "serviceProvider": _TEXT,
    },
    {"mvpd": _TEXT, "code": _TEXT, "missingParameters": _TEXTS, **_LASTING},
)
_PARTNER_SESSION = _table(
    {
        "actionName": _one_of("partner_profile", "authenticate", "resume", "authorize"),
        "actionType": _one_of("interactive", "direct"),
        "reasonType": _one_of(
            "none", "authenticated", "temporary", "degraded", "authenticatedSSO", "pfs_fallback",
            "configuration_fallback", "missing_parameters_fallback",
        ),
        "url": _TEXT,
        "sessionId": _TEXT,
        "serviceProvider": _TEXT,
    },
    {
        "mvpd": _TEXT, "code": _TEXT, "missingParameters": _TEXTS, **_LASTING,
        "authenticationRequest": _named("PartnerRequest"),
    },
)  # fmt: skip

SCHEMAS: dict[str, Any] = {
    "Registration": _table({"software_statement": _TEXT}, {"redirect_uri": _TEXT}),
    "Client": _table(
        {"client_id": _TEXT, "client_secret": _TEXT, "client_id_issued_at": _MILLISECONDS, "grant_types": _TEXTS},
        {"redirect_uris": _TEXTS, "scopes": _TEXTS},
    ),
    "TokenRequest": _table({"grant_type": _TEXT, "client_id": _TEXT, "client_secret": _TEXT}),
    "Token": _table(
        {"access_token": _TEXT, "token_type": _TEXT, "expires_in": _NUMBER}, {"created_at": _MILLISECONDS, "id": _TEXT}
    ),
    "OAuthError": _table({"error": _TEXT}, {"error_description": _TEXT}),
    "EnhancedError": _table(
        {
            "action": _one_of("none", "configuration", "application-registration", "authentication", "retry"),
            "status": _NUMBER,
            "code": {"type": "string", "examples": sorted(CODES)[:3]},
        },
        {"message": _TEXT, "details": _TEXT, "helpUrl": _TEXT, "trace": _TEXT},
    ),
    "Configuration": _table({"requestor": _named("Requestor")}, {"device": _TEXT, "clientType": _TEXT, "os": _TEXT}),
    "Requestor": _table({"id": _TEXT, "name": _TEXT, "domains": _list_of("Domain"), "mvpds": _list_of("Mvpd")}),
    "Domain": _table({"name": _TEXT}, {"mvpdInitiated": _FLAG}),
    "Mvpd": _table(
        {"id": _TEXT, "displayName": _TEXT, "logoUrl": _TEXT},
        {
            "isTempPass": _FLAG,
            "enablePlatformServices": _FLAG,
            "displayInPlatformPicker": _FLAG,
            "platformMappingId": _TEXT,
        },
    ),
    "SessionParameters": _table({}, {"mvpd": _TEXT, "domainName": _TEXT, "redirectUrl": _TEXT}),
    "Session": _SESSION,
    "SessionStatus": _table(
        {
            "existingParameters": {"type": "object", "additionalProperties": _TEXT},
            "device": _named("Device"),
            **_LASTING,
        },
        {"missingParameters": _TEXTS},
    ),
    "Device": _table(
        {
            "type": _one_of(*HARDWARE),
            "model": _TEXT,
            "version": _named("Version"),
            "hardware": _table({"vendor": _TEXT, "manufacturer": _TEXT}),
            "operatingSystem": _table({"name": _TEXT, "family": _TEXT, "vendor": _TEXT, "version": _named("Version")}),
            "browser": _table({"userAgent": _TEXT, "originalUserAgent": _TEXT}),
            "connection": _table(
                {"ipAddress": _table({"hostAddress": _TEXT}), "port": _TEXT, "secure": _FLAG, "type": _TEXT}
            ),
            "applicationId": _TEXT,
        }
    ),
    "Version": _VERSION,
    "Profiles": _table({"profiles": _map_of("Profile")}),
    "Profile": _table(
        {
            "notBefore": _MILLISECONDS,
            "notAfter": _MILLISECONDS,
            "issuer": _TEXT,
            "type": _TEXT,
            "attributes": _map_of("Attribute"),
        }
    ),
    "Attribute": _table({"value": {}, "state": _one_of("plain", "enc")}),
    "ResourceList": _table(
        {"resources": {"type": "array", "items": {"type": "string", "minLength": 1}, "minItems": 1}}
    ),
    "Decisions": _table({"decisions": _list_of("Decision")}),
    "Decision": _table(
        {
            "resource": _TEXT,
            "serviceProvider": _TEXT,
            "mvpd": _TEXT,
            "source": _one_of("mvpd", "degradation", "temppass", "dummy"),
            "authorized": _FLAG,
        },
        {
            "error": _named("EnhancedError"),
            "token": _named("MediaToken"),
            "notBefore": _MILLISECONDS,
            "notAfter": _MILLISECONDS,
        },
    ),
    "MediaToken": _table({"notBefore": _MILLISECONDS, "notAfter": _MILLISECONDS, "serializedToken": _TEXT}),
    "Logouts": _table({"logouts": _map_of("Logout")}),
    "Logout": _table(
        {
            "actionName": _one_of("logout", "partner_logout", "complete", "invalid"),
            "actionType": _one_of("interactive", "partner_interactive", "none"),
            "mvpd": _TEXT,
        },
        {"url": _TEXT},
    ),
    "PartnerSessionParameters": _table({}, {"domainName": _TEXT, "redirectUrl": _TEXT}),
    "PartnerSession": _PARTNER_SESSION,
    "PartnerRequest": _table({"type": _TEXT, "request": _TEXT, "attributesNames": _TEXTS}),
    "PartnerAnswer": _table({"SAMLResponse": _TEXT}),
}

_WORDS = {
    200: "Done", 201: "Made", 302: "Go on there", 400: "The request is not as it should be",
    401: "The access token is not good", 403: "Not, or not any more", 405: "The method is another",
    500: "The service, or its configuration, is not as it should be",
}  # fmt: skip


def _operation(operation: Operation) -> dict[str, Any]:
    found: dict[str, Any] = {
        "operationId": operation.name,
        "tags": ["dcr" if operation.is_of_dcr else "v2"],
        "parameters": [*_path_parameters(operation), *_query(operation), *_headers(operation)],
        "responses": {str(status): _answer(operation, status) for status in operation.statuses} | {"429": _THROTTLED},
        "security": [{"token": []}] if operation.token else [],
    }
    if operation.body:
        content = {operation.media_type: {"schema": _named(operation.body)}}
        found["requestBody"] = {"required": True, "content": content}
    return found


def _path_parameters(operation: Operation) -> list[dict[str, Any]]:
    schema = {"type": "string", "minLength": 1}
    names = re.findall(r"{(\w+)}", operation.path)
    return [{"name": name, "in": "path", "required": True, "schema": schema} for name in names]


def _query(operation: Operation) -> list[dict[str, Any]]:
    if operation.name != "logout":
        return []
    return [{"name": "redirectUrl", "in": "query", "required": True, "schema": {"type": "string", "format": "uri"}}]


def _headers(operation: Operation) -> list[dict[str, Any]]:
    device = [] if operation.device == "no" else [INFO] if operation.is_of_dcr else [IDENTIFIER, INFO]
    wanted = [(name, operation.device == "required") for name in device]
    wanted += [(name, False) for name in operation.single_sign_on]
    if operation.name != "authenticate":
        wanted.append(("X-Forwarded-For", False))
    return [{"name": name, "in": "header", "required": required, "schema": _TEXT} for name, required in wanted]


def _answer(operation: Operation, status: int) -> dict[str, Any]:
    answer: dict[str, Any] = {"description": _WORDS[status]}
    if status == 302:
        answer["headers"] = {"Location": {"required": True, "schema": _TEXT}}
        return answer
    failed = "OAuthError" if operation.is_of_dcr else "EnhancedError"
    if operation.is_of_dcr and status == 405:
        return answer
    answer["content"] = {"application/json": {"schema": _named(operation.success if status < 300 else failed)}}
    if operation.name == "authenticate":
        answer["content"]["text/html"] = {"schema": _TEXT}
    return answer


_THROTTLED = {"description": "Fewer calls, please", "content": {"text/html": {"schema": _TEXT}}}


def _paths() -> dict[str, Any]:
    paths: dict[str, Any] = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation)
    return paths


DESCRIPTION: dict[str, Any] = {
    "openapi": "3.1.0",
    "info": {
        "title": "Adobe Pass as dcrauth's simulator plays it",
        "version": "2",
        "description": "Dynamic Client Registration and REST API v2.",
    },
    "servers": [{"url": "./"}],
    "paths": _paths(),
    "components": {
        "schemas": SCHEMAS,
        "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
    },
}
"""The description."""
