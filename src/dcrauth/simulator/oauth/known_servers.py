"""What well-known servers do differently, as their documents or their source have it."""

from collections.abc import Mapping
from typing import Any

SERVERS: Mapping[str, Mapping[str, Any]] = {
    "auth0": {
        "registration": "absent",
        "management": (),
        "audience": "required",
        "token_kind": "jwt",
        "expires_in": 86_400,
        "invalid_client": "access_denied",
        "invalid_client_challenge": "none",
    },
    "azure": {
        "registration": "absent",
        "management": (),
        "documents": ("openid",),
        "scope_form": "resource/.default",
        "token_kind": "jwt",
        "token_scope": "never",
        "expires_in": 3599,
        "token_answer": {"ext_expires_in": 3599},
        "invalid_client_challenge": "none",
    },
    "brasil": {
        "statement": "required",
        "statement_life": 300.0,
        "repeats": "refused",
        "rotates_token": "update",
        "methods": ("private_key_jwt", "tls_client_auth"),
        "enforce_method": True,
    },
    "canaille": {"initial_token": "required", "initial_token_error": "denied"},
    "curity": {"initial_token": "once", "rotates_token": "always", "rotates_secret": "always"},
    "django-oauth-toolkit": {
        "statement": "ignored",
        "registered_method": "client_secret_basic",
        "registration_leaves_out": ("client_secret_expires_at",),
        "management_leaves_out": ("client_secret",),
        "rotates_token": "update",
        "rotates_secret": "never",
        "invalid_client_challenge": "bearer",
        "methods": ("client_secret_basic", "client_secret_post"),
    },
    "hydra": {
        "statement": "ignored",
        "rotates_token": "update",
        "rotates_secret": "never",
        "secret_in_update": "refused",
        "registration_answer": {"policy_uri": "", "tos_uri": "", "logo_uri": "", "contacts": None, "audience": []},
    },
    "keycloak": {
        "rotates_token": "always",
        "registration_answer": {"token_endpoint_auth_method": "client_secret_basic"},  # whatever is registered
    },
    "oidc-provider": {
        "statement": "ignored",
        "redirect_uris": "empty",
        "unknown_scopes": "dropped",
        "rotates_token": "update",
        "rotates_secret": "never",
        "most_resources": 1,
    },
    "udap": {
        "statement": "required",
        "statement_life": 300.0,
        "repeats": "updates",
        "management": (),
        "methods": ("private_key_jwt",),
        "assertion_audience": "token endpoint",
    },
}
"""By name, the switches that differ from the defaults of `OAuthBehaviour`."""
