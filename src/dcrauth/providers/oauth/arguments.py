"""What an `OAuthServer` is made of, checked where it was given."""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any, TypeAlias, cast
from urllib.parse import urlsplit

from dcrauth._internal.arguments import check_function, check_methods, check_text, shown, wrong
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError
from dcrauth.providers.answer_fields import is_client_text, is_visible
from dcrauth.providers.oauth.client_assertion import ClientSecretJWT
from dcrauth.providers.oauth.client_authentication import ClientAuthentication, ClientSecret, without_secret
from dcrauth.providers.oauth.given_metadata import json_copy
from dcrauth.providers.oauth.token_request import Wanted
from dcrauth.providers.origins import Origin, origin_of, secure_url, url_list
from dcrauth.providers.software_statement import SoftwareStatement

Text: TypeAlias = str | Callable[[], str]

_SCOPE = re.compile(r"[!#-\[\]-~]+")
_REPEATS = ("new", "refused", "updates")
_OWN_METADATA = {
    "software_statement": "give software_statement",
    "token_endpoint_auth_method": "give client_authentication, such as ClientSecret('post')",
    "scope": "give scope",
    "client_id": "the server makes it; give client if there is one already",
    "client_secret": "the server makes it; give client if there is one already",
}
_OWN_PARAMETERS = {
    "grant_type": "it is client_credentials always",
    "scope": "give scope",
    "resource": "give resource",
    "audience": "give audience",
    "client_id": "client_authentication sends it",
    "client_secret": "client_authentication sends it",
    "client_assertion": "client_authentication sends it",
    "client_assertion_type": "client_authentication sends it",
}


def endpoint(url: str | None, what: str) -> str | None:
    """Return *url* as it is, which may have a query (RFC 6749 §3.2), if secrets may be sent to it."""
    if url is None:
        return None
    check_text(url, what)
    if "#" in url:
        raise ConfigurationError(f"{what} must not hold a fragment: give the part before '#'")
    secure_url(url.partition("?")[0], what)
    return url


def issuer_name(issuer: str | None) -> str | None:
    """Return *issuer* as it is: it is compared letter for letter with what the server says (RFC 8414 §3.3)."""
    if issuer is None:
        return None
    secure_url(issuer, "issuer")
    if "/.well-known/" in issuer:
        raise ConfigurationError("issuer is the URL of a metadata document: give what that has as its issuer")
    return issuer


def check_places(issuer: str | None, registration: str | None, token: str | None, is_given: bool) -> None:
    """Raise ConfigurationError unless it is known where the endpoints are, or who says it."""
    if issuer is not None:
        return
    if token is None:
        raise ConfigurationError("Neither issuer nor token_endpoint is given: give the issuer, or the endpoints")
    if registration is None and not is_given:
        raise ConfigurationError(
            "registration_endpoint is missing: give it, or the issuer that names it, or client=ClientCredentials(…) if "
            "there is a client already"
        )


def protected(protects: object) -> frozenset[Origin]:
    """Return the origins of *protects*, one at least."""
    found = frozenset(origin_of(secure_url(url, "protects")) for url in url_list(protects))
    if not found:
        raise ConfigurationError("protects is empty: give the URLs of the APIs that the token is for")
    return found


def authentication(given: Any) -> ClientAuthentication:
    """Return how the client proves itself."""
    if given is None:
        return ClientSecret()
    wanted = "such as ClientSecret(), PrivateKeyJWT(key), ClientSecretJWT() or MutualTLS()"
    if isinstance(given, str):
        raise ConfigurationError(f"client_authentication must be an object {wanted}, not a text")
    try:
        check_methods(given, "client_authentication", ClientAuthentication, wanted)
        json_copy(given.metadata, "metadata of the client_authentication")
    except ConfigurationError:
        raise
    except Exception as reason:  # it may be the user's own, and raise whatever
        failure = ConfigurationError(f"client_authentication does not say what it is: {type(reason).__name__}")
    else:
        return cast("ClientAuthentication", given)
    raise failure


def given_client(
    client: object, by: ClientAuthentication, application: str | None, registering: Mapping[str, object]
) -> ClientCredentials | Callable[[], ClientCredentials] | None:
    """Return the client that is given, or what gives it.

    Parameters:
        registering: what only a registration needs, by the names of the arguments.
    """
    if client is None:
        return None
    if unused := [name for name, value in registering.items() if value]:
        raise ConfigurationError(f"A client that is given is not registered: leave out client or {unused[0]}")
    if isinstance(client, ClientCredentials):
        _check_pair(client, by)
        return client
    check_function(client, "client", "ClientCredentials(…), or a function that returns one")
    if application is None:
        raise ConfigurationError(
            "With client as a function application must be given, such as the client's id: it tells the tokens of this "
            "client from those of others"
        )
    return client  # type: ignore[return-value]  # it is a function


def returned_client(client: ClientCredentials, by: ClientAuthentication) -> ClientCredentials:
    """Return the *client* that a function has returned, if it can be one: a vault may have nothing in its fields."""
    if isinstance(client, ClientCredentials):
        _check_pair(client, by)
    return client


def statement(source: Any) -> SoftwareStatement | Callable[[], object] | None:
    """Return the software statement, or what makes one."""
    if source is None:
        return None
    if not is_function(source):
        return SoftwareStatement.of(source)
    check_function(source, "software_statement", "a statement, its text, a path, or a function that returns it")
    return cast("Callable[[], object]", source)


def is_function(source: object) -> bool:
    """Return whether *source* is to be called, and no file."""
    return callable(source) and not hasattr(source, "read")


def initial_token(token: object) -> Text | None:
    """Return the initial access token, or what returns it."""
    if token is None:
        return None
    if is_function(token):
        check_function(token, "initial_access_token", "text, or a function that returns it")
        return cast("Callable[[], str]", token)
    check_text(token, "initial_access_token")
    if not is_visible(token):
        raise ConfigurationError("initial_access_token must be printable ASCII without blanks, and not empty")
    return str(token)


def metadata(given: object) -> dict[str, Any]:
    """Return what a registration says of the client."""
    if not isinstance(given, Mapping):
        raise wrong("client_metadata", "a mapping such as {'client_name': 'My service'}", given)
    _check_names(given, "client_metadata", _OWN_METADATA)
    if given.get("jwks") and given.get("jwks_uri"):
        raise ConfigurationError("client_metadata must not hold both jwks and jwks_uri: leave one of them out")
    return json_copy(given, "client_metadata")


def wanted(scope: object, resource: object, audience: object, parameters: object) -> Wanted:
    """Return what a token is to be good for."""
    return Wanted(scopes(scope), resources(resource), audience_name(audience), token_parameters(parameters))


def scopes(scope: object) -> tuple[str, ...]:
    """Return the scopes in a text or a list, sorted, each once."""
    listed = scope.split() if isinstance(scope, str) else list(_texts(scope, "scope", "a text such as 'read write'"))
    for each in listed:
        if not _SCOPE.fullmatch(each):
            raise ConfigurationError(
                f"scope has {shown(each)}: a scope is printable ASCII without blanks, quotes and backslashes"
            )
    return tuple(sorted(set(listed)))


def resources(resource: object) -> tuple[str, ...]:
    """Return the resources, sorted, each once (RFC 8707 §2)."""
    listed = [resource] if isinstance(resource, str) else list(_texts(resource, "resource", "a URL"))
    for each in listed:
        if not each.isascii() or "#" in each or not _has_scheme(each):
            raise ConfigurationError(f"resource has {shown(each)}: it must be an absolute URI without a fragment")
    return tuple(sorted(set(listed)))


def _has_scheme(uri: str) -> bool:
    try:
        return bool(urlsplit(uri).scheme)
    except ValueError:  # as for a bracket that is not closed
        return False


def audience_name(audience: object) -> str | None:
    """Return the audience."""
    if audience is not None:
        check_text(audience, "audience")
    return audience or None  # type: ignore[return-value]  # it is text


def token_parameters(given: object) -> dict[str, str]:
    """Return further parameters of the token request."""
    if not isinstance(given, Mapping):
        raise wrong("token_parameters", "a mapping of texts such as {'udap': '1'}", given)
    _check_names(given, "token_parameters", _OWN_PARAMETERS)
    for name, value in given.items():
        check_text(value, f"The value of {shown(name)} in token_parameters")
    return dict(given)


def check_repeats(repeats: object) -> None:
    """Raise ConfigurationError unless it says what a second registration does."""
    if repeats not in _REPEATS:
        raise ConfigurationError(f"repeats must be one of {', '.join(_REPEATS)}, not {shown(str(repeats))}")


def application_name(application: object) -> str | None:
    """Return what tells this application from others."""
    if application is None:
        return None
    check_text(application, "application")
    if not application:
        raise ConfigurationError("application is empty: give a name that stays the same, or leave it out")
    return str(application)


def _check_pair(client: ClientCredentials, by: ClientAuthentication) -> None:
    secret = client.client_secret
    if not is_client_text(client.client_id) or not (secret is None or is_client_text(secret)):
        raise ConfigurationError("client must have a client_id and a client_secret of printable ASCII characters")
    if secret is None and isinstance(by, ClientSecret | ClientSecretJWT):
        raise without_secret()
    if isinstance(by, ClientSecret) and by.raw_basic and by.method != "post" and ":" in client.client_id:
        raise ConfigurationError(
            "client has an id with a colon, at which raw Basic ends: leave out raw_basic, or give ClientSecret('post')"
        )


def _check_names(given: Mapping[Any, object], what: str, own: Mapping[str, str]) -> None:
    for name in given:
        check_text(name, f"A name in {what}")
        if name in own:
            raise ConfigurationError(f"{what} must not hold {name}: {own[name]}")


def _texts(given: object, what: str, wanted: str) -> Iterable[str]:
    if isinstance(given, type | bytes | Mapping) or not isinstance(given, Iterable):
        raise wrong(what, f"{wanted}, or a list of them", given)
    for each in given:
        check_text(each, f"Each {what}")
        yield each
