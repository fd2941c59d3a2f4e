"""Client assertions (RFC 7523 §3): what is wrong with one, if anything is."""

import math
from collections.abc import Callable, Iterable
from typing import Any

from joserfc.jwk import Key, KeySet

from dcrauth.simulator.oauth import signatures
from dcrauth.simulator.oauth.asked import Asked
from dcrauth.simulator.oauth.clients import OAuthClient

_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"


def wrong_with(client: OAuthClient, asked: Asked) -> str | None:
    """Return what is wrong with the assertion of *client*, or None; its ``jti`` is used up where all is well."""
    if asked.call.parameters.get("client_assertion_type") != _TYPE:
        return f"client_assertion_type must be {_TYPE}"
    claims = _verified(client, asked)
    if isinstance(claims, str):
        return claims
    checks: Iterable[Callable[[dict[str, Any], OAuthClient, Asked], str | None]] = (_parties, _audience, _times, _once)
    return next((why for check in checks if (why := check(claims, client, asked)) is not None), None)


def _verified(client: OAuthClient, asked: Asked) -> dict[str, Any] | str:
    """Return the claims, or why they are not believed."""
    said = asked.call.assertion_header
    by_secret = client.method == "client_secret_jwt"
    algorithms = signatures.BY_SECRET if by_secret else asked.behaviour.signing_algorithms
    if said.get("alg") not in algorithms:
        return f"alg of the assertion is {said.get('alg')!r}; there is {', '.join(algorithms)}"
    keys: list[Any] = client.secrets(asked.now) if by_secret else _keys(client, said.get("kid"))
    if not keys:
        return f"The client has no key {said.get('kid')!r}"
    check = signatures.is_by_secret if by_secret else signatures.is_by_key
    text = asked.call.parameters["client_assertion"]
    if not any(check(text, said["alg"], key) for key in keys):
        return "No key of the client made the signature"
    return asked.call.assertion


def _keys(client: OAuthClient, kid: object) -> list[Key]:
    keys = KeySet.import_key_set(client.metadata["jwks"]).keys
    return [key for key in keys if kid is None or key.kid in (None, kid)]


def _parties(claims: dict[str, Any], client: OAuthClient, asked: Asked) -> str | None:
    if claims.get("iss") != client.client_id or claims.get("sub") != client.client_id:
        return "iss and sub of the assertion must be the client_id"
    missing = [name for name in ("aud", "exp", *asked.behaviour.assertion_claims) if name not in claims]
    return f"The assertion has no {missing[0]}" if missing else None


def _audience(claims: dict[str, Any], client: OAuthClient, asked: Asked) -> str | None:
    wanted, given = asked.behaviour.assertion_audience, claims["aud"]
    issuer = asked.places.issuer(asked.behaviour)
    endpoints = {asked.places.endpoint(name, asked.behaviour) for name in ("token", "mtls/token")}
    good = {"either": {issuer, *endpoints}, "token endpoint": endpoints}.get(wanted, {issuer})
    if wanted == "issuer alone" and not isinstance(given, str):
        return "aud of the assertion must be a text, not a list"
    if not any(each in good for each in (given if isinstance(given, list) else [given]) if isinstance(each, str)):
        return f"aud of the assertion is {given!r}, and must be {' or '.join(sorted(good))}"
    return None


def _times(claims: dict[str, Any], client: OAuthClient, asked: Asked) -> str | None:
    now, life, ahead = asked.told_now, asked.behaviour.assertion_life, asked.behaviour.clock_tolerance
    times = {name: claims[name] for name in ("exp", "iat", "nbf") if name in claims}
    if not all(type(each) in {int, float} and math.isfinite(each) for each in times.values()):
        return "exp, iat and nbf of the assertion must be numbers"
    if claims["exp"] <= now:
        return "The assertion has ended"
    if claims["exp"] > now + life or times.get("iat", now) < now - life:
        return f"The assertion is good for longer than {life:g} s, or too old"
    late = [name for name in ("iat", "nbf") if times.get(name, now) > now + ahead]
    return f"{late[0]} of the assertion lies in the future" if late else None


def _once(claims: dict[str, Any], client: OAuthClient, asked: Asked) -> str | None:
    if asked.behaviour.jti == "ignored" or "jti" not in claims:
        return None
    fresh = asked.registry.use_jti(client.client_id, str(claims["jti"]))
    return None if fresh else "The assertion's jti was used before"
