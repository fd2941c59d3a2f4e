"""Where the authorization server has its endpoints and documents."""

import re
from dataclasses import dataclass

from dcrauth.simulator.oauth.behaviour import OAuthBehaviour

_DOCUMENTS = {"oauth": "/.well-known/oauth-authorization-server", "openid": "/.well-known/openid-configuration"}


@dataclass(frozen=True)
class Places:
    """Where a server is.

    Parameters:
        url: its base URL.
        base_path: the path of that URL.
    """

    url: str
    base_path: str

    def issuer(self, behaviour: OAuthBehaviour) -> str:
        """Return the issuer that its documents name."""
        return behaviour.issuer.replace("{url}", self.url)

    def endpoint(self, name: str, behaviour: OAuthBehaviour) -> str:
        """Return the URL of an endpoint: "register", "token", or one of these below "mtls/"."""
        return f"{self.url}{path_of(name, behaviour)}"

    def document_paths(self, behaviour: OAuthBehaviour) -> set[str]:
        """Return the whole paths at which there are metadata documents (RFC 8414 §3.1 and §5)."""
        return {path for kind in behaviour.documents for path in self._paths(kind, behaviour.document_places)}

    def _paths(self, kind: str, places: str) -> set[str]:
        suffix = _DOCUMENTS[kind]
        inserted, appended = f"{suffix}{self.base_path}", f"{self.base_path}{suffix}"
        if places == "everywhere":
            return {inserted, appended}
        usual = "inserted" if kind == "oauth" else "appended"
        return {inserted if (usual if places == "usual" else places) == "inserted" else appended}


def path_of(name: str, behaviour: OAuthBehaviour) -> str:
    """Return the path of an endpoint, below the base path."""
    below = f"/{behaviour.endpoints_below}" if behaviour.endpoints_below else ""
    return f"{below}/{name}"


def group_of(path: str) -> str:
    """Return what kind of endpoint *path* is, here or elsewhere; "api" for what is none."""
    if path in {"", "/"} or path.startswith("/control/"):
        return "control"
    if path == "/jwks":
        return "discovery"
    for group, pattern in _GROUPS.items():
        if pattern.fullmatch(path):
            return group
    return "api"


_GROUPS = {
    "api": re.compile(r"/api(/.*)?"),
    "token": re.compile(r"(/[\w.-]+)?(/mtls)?/token/?"),
    "register": re.compile(r"(/[\w.-]+)?(/mtls)?/register/?"),
    "manage": re.compile(r"(/[\w.-]+)?(/mtls)?/register/[^/]+/?"),
}
