"""Adobe's four environments, and the hosts of each."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from dcrauth._internal.arguments import check_choice
from dcrauth.providers.origins import secure_url

Environment: TypeAlias = Literal["release-production", "prequal-production", "release-staging", "prequal-staging"]

ENVIRONMENTS: Mapping[Environment, tuple[str, ...]] = MappingProxyType(
    {
        "release-production": ("sp.auth.adobe.com", "api.auth.adobe.com", "mgmt.auth.adobe.com"),
        "prequal-production": ("sp-prequal.auth.adobe.com", "mgmt-prequal.auth.adobe.com"),
        "release-staging": ("sp.auth-staging.adobe.com", "api.auth-staging.adobe.com", "mgmt.auth-staging.adobe.com"),
        "prequal-staging": ("sp-prequal.auth-staging.adobe.com", "mgmt-prequal.auth-staging.adobe.com"),
    }
)
"""Hosts of Adobe's four environments; the first of each serves the two DCR calls and REST API v2."""


def bases_of(environment: Environment, base_url: str | None) -> list[str]:
    """Return the URLs of the hosts that see the token, that of the two DCR calls first.

    Parameters:
        environment: which of the four.
        base_url: what takes the place of its hosts.

    Raises:
        ConfigurationError: there is no such environment, or the URL will not do.
    """
    check_choice(environment, "environment", ENVIRONMENTS)
    if base_url is not None:
        return [secure_url(base_url, "base_url")]
    return [f"https://{host}" for host in ENVIRONMENTS[environment]]
