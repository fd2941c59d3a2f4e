"""What a client may register (RFC 7591 §2): checked, and made what the server makes of it."""

from collections.abc import Callable, Mapping
from typing import Any

from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.refused import Refused

_LISTS = ("redirect_uris", "grant_types", "response_types", "contacts")
_TEXTS = ("client_name", "scope", "jwks_uri", "software_id", "software_version", "token_endpoint_auth_method")
_SUBJECTS = frozenset(f"tls_client_auth_{each}" for each in ("subject_dn", "san_dns", "san_uri", "san_ip", "san_email"))
_SHORTEST_MODULUS = 341  # letters of base64url
_PRIVATE = frozenset({"d", "p", "q", "dp", "dq", "qi", "k"})


def registered(fields: Mapping[str, Any], asked: Asked) -> dict[str, Any]:
    """Return what is registered where *fields* are asked for; null, "" and absent are alike.

    Raises:
        Refused: that cannot be registered.
    """
    behaviour = asked.behaviour
    _check_redirects(fields, behaviour)
    found = {name: value for name, value in fields.items() if value not in (None, "")}
    found.pop("software_statement", None)
    _check_types(found)
    method = found["token_endpoint_auth_method"] = _method(found, behaviour)
    found["grant_types"] = _grants(found)
    scope = _scope(found, behaviour)
    found |= {"scope": scope} if scope else {}
    _NEEDS.get(method, _nothing)(found)
    return found


def _check_types(found: Mapping[str, Any]) -> None:
    for name in _LISTS:
        if not isinstance(found.get(name, []), list):
            raise _refused(f"{name} must be a list")
    for name in _TEXTS:
        if not isinstance(found.get(name, ""), str):
            raise _refused(f"{name} must be a text")


def _check_redirects(fields: Mapping[str, Any], behaviour: OAuthBehaviour) -> None:
    wanted = behaviour.redirect_uris
    if wanted == "empty" and (fields.get("redirect_uris") != [] or fields.get("response_types") != []):
        raise _refused("redirect_uris and response_types must be there, and empty, for client_credentials alone")
    if wanted == "required" and not fields.get("redirect_uris"):
        raise Refused("invalid_redirect_uri", "redirect_uris must have at least one")


def _method(found: Mapping[str, Any], behaviour: OAuthBehaviour) -> str:
    method = str(found.get("token_endpoint_auth_method", "client_secret_basic"))
    if method not in behaviour.methods:
        if behaviour.unknown_method == "refused":
            told = ", ".join(behaviour.methods)
            raise _refused(f"token_endpoint_auth_method is {method[:60]!r}; there is {told}")
        method = "client_secret_basic"
    return behaviour.registered_method or method


def _grants(found: Mapping[str, Any]) -> list[str]:
    """Return the grants; a client that asks for none asks for authorization_code (RFC 7591 §2)."""
    grants = found.get("grant_types", ["authorization_code"])
    if "client_credentials" not in grants:
        raise _refused(f"grant_types is {grants!r}, and there is client_credentials alone here")
    return ["client_credentials"]


def _scope(found: Mapping[str, Any], behaviour: OAuthBehaviour) -> str:
    asked = str(found.get("scope", behaviour.default_scope)).split()
    unknown = [each for each in asked if behaviour.scopes and each not in behaviour.scopes]
    if unknown and behaviour.unknown_scopes == "refused":
        raise _refused(f"There is no scope {unknown[0][:60]!r}")
    return " ".join(each for each in asked if each not in unknown)


def _check_keys(found: dict[str, Any]) -> None:
    if "jwks_uri" in found:
        raise _refused("jwks_uri is not read here: send jwks")
    keys = found.get("jwks")
    listed = keys.get("keys") if isinstance(keys, dict) else None
    if not isinstance(listed, list) or not listed or not all(isinstance(each, dict) for each in listed):
        raise _refused("private_key_jwt needs jwks, a JWK set with a key at least")
    for each in listed:
        _check_key(each)


def _check_key(key: dict[str, Any]) -> None:
    if _PRIVATE & key.keys():
        raise _refused("jwks has a private key in it, which is for nobody to send")
    if key.get("kty") == "RSA" and len(str(key.get("n", ""))) < _SHORTEST_MODULUS:
        raise _refused("jwks has an RSA key of less than 2048 bits")
    try:
        KeySet.import_key_set({"keys": [key]})
    except (JoseError, ValueError, TypeError, KeyError, AttributeError):
        raise _refused("jwks has a key that is none") from None


def _check_subject(found: dict[str, Any]) -> None:
    if len(_SUBJECTS & found.keys()) != 1:
        raise _refused(f"tls_client_auth needs exactly one of {', '.join(sorted(_SUBJECTS))}")


def _nothing(found: dict[str, Any]) -> None:
    """There is nothing that the other methods need."""


def _refused(why: str) -> Refused:
    return Refused("invalid_client_metadata", why)


_NEEDS: Mapping[str, Callable[[dict[str, Any]], None]] = {
    "private_key_jwt": _check_keys,
    "tls_client_auth": _check_subject,
}
