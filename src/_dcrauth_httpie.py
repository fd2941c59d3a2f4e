"""The plugin of dcrauth for HTTPie: ``http -A dcrauth [-a PROFILE] GET https://api…``.

HTTPie loads it at each start, whether it is asked for or not. So it stands beside the package, which it imports once a
request is to be signed. HTTPie shows what is raised there as a sentence, and what is raised before as a traceback.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from httpie.plugins import AuthPlugin
from requests.auth import AuthBase

if TYPE_CHECKING:
    from requests import PreparedRequest


class DCRAuthPlugin(AuthPlugin):  # type: ignore[misc]  # HTTPie has no types
    """What HTTPie knows as the authentication type ``dcrauth``."""

    name = "dcrauth"
    description = "OAuth 2.0 Dynamic Client Registration; -a takes a profile of `dcrauth config`"
    auth_type = "dcrauth"
    auth_require = False
    auth_parse = False  # -a has a profile, and no password
    raw_auth: str | None = None

    def get_auth(self, username: str | None = None, password: str | None = None) -> AuthBase:  # noqa: ARG002  # HTTPie's
        """Return what signs with the settings of the profile that ``-a`` names, else with those of the environment."""
        return _FromEnvironment(self.raw_auth)


class _FromEnvironment(AuthBase):
    """The adapter for requests with the settings of a *profile*, which are read when the first request is signed."""

    def __init__(self, profile: str | None) -> None:
        self._profile = profile
        self._auth: Any = None

    def __call__(self, request: PreparedRequest) -> PreparedRequest:
        if self._auth is None:
            from dcrauth.cli.chosen_provider import provider_of  # noqa: PLC0415  # only when it is used
            from dcrauth.providers.settings import read_settings  # noqa: PLC0415
            from dcrauth.requests import DCRAuth  # noqa: PLC0415

            self._auth = DCRAuth(provider_of(read_settings(self._profile)))
        signed: PreparedRequest = self._auth(request)
        return signed
