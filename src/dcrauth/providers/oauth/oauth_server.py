"""Every OAuth server with client credentials: its client registered by RFC 7591, or given."""

import os
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import IO, Any, Literal, Self, TypeAlias

from dcrauth._internal.confidential import Confidential, discreet, discreet_constructor, unfailing
from dcrauth.credentials import ClientCredentials
from dcrauth.providers.oauth import arguments, client_life, from_settings
from dcrauth.providers.oauth.challenges import verdict_of
from dcrauth.providers.oauth.client_authentication import ClientAuthentication, MutualTLS
from dcrauth.providers.oauth.discovery import Endpoints
from dcrauth.providers.oauth.endpoint_search import EndpointSearch, called
from dcrauth.providers.oauth.registration import read_client
from dcrauth.providers.oauth.registration_answer import unregistrable
from dcrauth.providers.oauth.registration_request import RegistrationRequest, method_for
from dcrauth.providers.oauth.token_call import TokenCall
from dcrauth.providers.oauth.token_request import Wanted
from dcrauth.providers.protocol import Flow, FlowResult, Moment, Problem, Response, TokenGrant, Verdict
from dcrauth.providers.settings import Settings, read_settings
from dcrauth.providers.software_statement import SoftwareStatement

StatementSource: TypeAlias = (
    SoftwareStatement | str | os.PathLike[str] | IO[str] | IO[bytes] | Callable[[], SoftwareStatement | str]
)
_NOTHING: Mapping[str, Any] = MappingProxyType({})


@discreet_constructor
class OAuthServer(Confidential):
    """An OAuth server as a provider: any with ``client_credentials`` (RFC 6749 §4.4).

    Parameters:
        issuer: the server's name, letter for letter as it writes it; it says where its endpoints are (RFC 8414, OpenID
            Connect Discovery). It is asked at need, not here.
        registration_endpoint: where clients are registered; by default what the issuer says.
        token_endpoint: where tokens are fetched; by default what the issuer says.
        protects: URLs of the APIs that the token is for; only their origins see it.
        scope: what a token is asked for with, and the client is registered for; the order says nothing. Where the
            answer to the registration grants some of it, the rest is not asked for (RFC 7591 §3.2.1).
        resource: absolute URIs of the APIs that a token is for (RFC 8707), where the server wants that.
        audience: the same as Auth0 and others want it.
        software_statement: what the registration shows (RFC 7591 §2.3): a `SoftwareStatement`, its text, the path of
            its file, or a function that returns one of these and is called right before a registration.
        initial_access_token: what a registration is allowed by: text, or a function that returns it, called then too.
        client_metadata: what a registration says beside that, such as ``client_name`` or ``contacts`` (RFC 7591 §2); it
            takes the place of what is sent otherwise, such as ``redirect_uris`` with nothing in it.
        client: `ClientCredentials` of a client that there is already, or a function that returns them, which is called
            for each token call and again when they are refused. Such a client is neither registered nor stored.
        client_authentication: how the client proves itself: `ClientSecret`, which is the default, `PrivateKeyJWT`,
            `ClientSecretJWT` or `MutualTLS`.
        token_parameters: further parameters of token requests.
        repeats: what a second registration of the same software does at this server: it makes a "new" client, is
            "refused", or "updates" the first one. Where it is refused, one whose answer was lost is not sent again.
        application: what tells this application from others on the same server, in the identity under which its client
            is stored; by default ``software_id`` of the metadata, that or ``sub`` of the statement, or else a digest of
            the metadata and the scope: then other metadata make another client. For a client that is given, its id.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    default_store: str | None = None
    """Where a source of tokens keeps what it has if it is not told: what `dcrauth.open_store` takes."""

    default_instance: str | None = None
    """Which instance a source of tokens is of if it is not told."""

    def __init__(
        self,
        issuer: str | None = None,
        *,
        registration_endpoint: str | None = None,
        token_endpoint: str | None = None,
        protects: Iterable[str],
        scope: str | Iterable[str] = "",
        resource: str | Iterable[str] = (),
        audience: str | None = None,
        software_statement: StatementSource | None = None,
        initial_access_token: str | Callable[[], str] | None = None,
        client_metadata: Mapping[str, Any] = _NOTHING,
        client: ClientCredentials | Callable[[], ClientCredentials] | None = None,
        client_authentication: ClientAuthentication | None = None,
        token_parameters: Mapping[str, str] = _NOTHING,
        repeats: Literal["new", "refused", "updates"] = "new",
        application: str | None = None,
    ) -> None:
        arguments.check_repeats(repeats)
        self.repeats = repeats
        self.protected_origins = arguments.protected(protects)
        self._by = arguments.authentication(client_authentication)
        self._wanted = arguments.wanted(scope, resource, audience, token_parameters)
        self._request = self._registration(client_metadata, software_statement, initial_access_token)
        named = arguments.application_name(application)
        unused: dict[str, object] = {
            "registration_endpoint": registration_endpoint,
            "software_statement": software_statement,
        }
        unused |= {"initial_access_token": initial_access_token, "client_metadata": client_metadata}
        self._client = arguments.given_client(client, self._by, named, unused)
        self._search = self._places(issuer, registration_endpoint, token_endpoint)
        self.application: str = named or self.given_id or self._request.application
        self.statement_digest: str = self._request.digest

    @classmethod
    @discreet
    def from_environment(cls, profile: str | None = None) -> Self:
        """Return the server that variables and profiles describe, with its store and its instance.

        What is made of it keeps its client and tokens where the command ``dcrauth`` has them, unless it is told
        otherwise. A client's secret that is in a file is read anew for each token call.

        Parameters:
            profile: the name of a profile; by default that in ``DCRAUTH_PROFILE``, else ``default``, if it is there.

        Raises:
            ConfigurationError: there is no such profile, or a setting is missing or wrong.
        """
        return cls.from_settings(read_settings(profile))

    @classmethod
    @discreet
    def from_settings(cls, settings: Settings, protects: str | None = None) -> Self:
        """Return the server that *settings* describe, as `from_environment` does.

        Parameters:
            settings: which hold here.
            protects: the URL of the API that may see the token, where no setting names one.

        Raises:
            ConfigurationError: a setting is missing or wrong.
        """
        made = cls(**from_settings.arguments_of(settings, protects))
        made.default_store, made.default_instance = settings["store"], settings["instance"]
        return made

    @discreet
    def for_scope(self, scope: str | Iterable[str]) -> Self:
        """Return the same client with a token of another scope.

        Parameters:
            scope: the scopes, which the client has to be registered for: those of the constructor, or the server's own.

        Raises:
            ConfigurationError: one of them can be none.
        """
        return self._with(scopes=arguments.scopes(scope))

    @discreet
    def for_resource(self, *resources: str) -> Self:
        """Return the same client with a token for other resources (RFC 8707).

        Parameters:
            resources: absolute URIs; none of them for a token that names none.

        Raises:
            ConfigurationError: one of them is no absolute URI.
        """
        return self._with(resources=arguments.resources(resources))

    @discreet
    def for_audience(self, audience: str | None) -> Self:
        """Return the same client with a token for another audience; None for one that names none.

        Raises:
            ConfigurationError: it is no text.
        """
        return self._with(audience=arguments.audience_name(audience))

    @unfailing
    def __repr__(self) -> str:
        place, told = self._search.issuer or self.token_url, self._wanted.told
        return f"<OAuthServer at {place}{f', {told}' if told else ''}>"

    @property
    def register_url(self) -> str:
        """The registration endpoint if it is given, else the issuer; without either, the token endpoint."""
        return self._search.registration or self._search.issuer or self.token_url

    @property
    def token_url(self) -> str:
        """The token endpoint if it is given, else the issuer."""
        return (self._search.token or self._search.issuer or "").partition("?")[0]

    @property
    def anchor(self) -> tuple[str, ...]:
        """The issuer, or else the endpoints, and the application."""
        search = self._search
        places = (search.issuer,) if search.issuer else (search.registration or "", search.token or "")
        return ("oauth", *places, self.application)

    @property
    def token_key(self) -> str:
        """What tells this token from others of the same client: a digest of all that it is asked for with."""
        return self._wanted.key

    @property
    def certificate_bound(self) -> bool:
        """Whether tokens are bound to the certificate that the transport shows (RFC 8705 §3), or may be."""
        return isinstance(self._by, MutualTLS) or self._request.asks_for_bound_tokens

    @property
    def asks_for(self) -> str:
        """What this token is asked for with, as text; "" where that is nothing special."""
        return self._wanted.told

    @property
    def api_headers(self) -> Mapping[str, str]:
        """Requests to the protected APIs carry nothing but the token."""
        return {}

    @property
    def given(self) -> Callable[[], ClientCredentials] | None:
        """What returns the client if it is given."""
        client, by = self._client, self._by
        if client is None:
            return None
        if isinstance(client, ClientCredentials):
            return lambda: client
        return lambda: arguments.returned_client(client(), by)

    @property
    def given_id(self) -> str | None:
        """The id of a client that is given by value, which takes the place of the instance."""
        return self._client.client_id if isinstance(self._client, ClientCredentials) else None

    @property
    def condemns(self) -> bool:
        """Whether ``invalid_client`` says that the client is gone: not where it signs (RFC 7523 §3.2)."""
        return not self._by.signs

    @property
    def keeps(self) -> bool:
        """Whether the issuer is asked for endpoints, which are worth a place in the store."""
        return self._search.asks

    def endpoints(self, moment: Moment) -> Flow[Endpoints]:
        """Find the endpoints, as each other flow does first, and call none of them."""
        found = yield from self._search.located(moment)
        return FlowResult(found if isinstance(found, Problem) else found.endpoints)

    def register(self, moment: Moment) -> Flow[ClientCredentials]:
        """Register the client (RFC 7591 §3)."""

        def understand(response: Response, endpoints: Endpoints) -> ClientCredentials | Problem:
            method = method_for(self._by, endpoints)
            found = read_client(response, endpoints.registration or "", method, moment.servers)
            if isinstance(found, Problem):
                return unregistrable(found, self._by, endpoints)
            return found

        return called(self._search, moment, self._request.to, understand, registering=True)

    def fetch_token(self, credentials: ClientCredentials, moment: Moment) -> Flow[TokenGrant]:
        """Trade client credentials for an access token (RFC 6749 §4.4)."""
        return TokenCall(self._by, self._wanted, credentials, moment).at(self._search)

    def update(self, credentials: ClientCredentials, moment: Moment) -> Flow[ClientCredentials] | None:  # noqa: ARG002
        """Have a secret renewed by an update, or by a reading where that is refused (RFC 7592 §2.2, §2.1).

        Returns:
            None where the server has not said how the client is managed.
        """
        return client_life.updated(credentials)

    def confirm(self, credentials: ClientCredentials, moment: Moment) -> Flow[ClientCredentials] | None:  # noqa: ARG002
        """Read the client, to see whether the server knows it (RFC 7592 §2.1); None as of `update`."""
        return client_life.confirmed(credentials)

    def unregister(self, credentials: ClientCredentials, moment: Moment) -> Flow[ClientCredentials] | None:  # noqa: ARG002
        """Delete the client (RFC 7592 §2.3); None as of `update`."""
        return client_life.unregistered(credentials)

    def verdict(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:  # noqa: ARG002
        """Return what the challenge of a refusal says about the token (RFC 6750 §3.1)."""
        return verdict_of(status, headers.get("www-authenticate", ""))

    def _with(self, **changes: Any) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        wanted = self._wanted
        kept = {name: getattr(wanted, name) for name in ("scopes", "resources", "audience", "parameters")}
        twin._wanted = Wanted(**{**kept, **changes})
        return twin

    def _registration(self, metadata: object, statement: object, initial_token: object) -> RegistrationRequest:
        return RegistrationRequest(
            arguments.metadata(metadata),
            self._wanted.scopes,
            self._by,
            arguments.statement(statement),
            arguments.initial_token(initial_token),
        )

    def _places(self, issuer: str | None, registers_at: str | None, token_endpoint: str | None) -> EndpointSearch:
        name = arguments.issuer_name(issuer)
        place = arguments.endpoint(registers_at, "registration_endpoint")
        token = arguments.endpoint(token_endpoint, "token_endpoint")
        arguments.check_places(name, place, token, self._client is not None)
        return EndpointSearch(name, token, place, self._client is None, self.certificate_bound)
