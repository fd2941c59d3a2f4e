"""Adobe Pass Authentication: its environments, its two DCR calls, and what its refusals mean."""

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import IO, Any, Literal, Self
from urllib.parse import urlencode

from dcrauth._internal.arguments import check_choice, check_text, wrong
from dcrauth._internal.confidential import Confidential, discreet, discreet_constructor, unfailing
from dcrauth.credentials import ClientCredentials
from dcrauth.errors import ConfigurationError
from dcrauth.providers.adobe.answers import client_in, token_in, verdict_in
from dcrauth.providers.adobe.device_identifier import identifier_header, identifier_in
from dcrauth.providers.adobe.device_info import DeviceInfo
from dcrauth.providers.adobe.environments import Environment, bases_of
from dcrauth.providers.answer_fields import USER_AGENT, is_visible
from dcrauth.providers.origins import origin_of, secure_url, url_list
from dcrauth.providers.protocol import Flow, Moment, Problem, Request, Response, TokenGrant, Verdict, asked
from dcrauth.providers.settings import Settings, read_settings
from dcrauth.providers.software_statement import SoftwareStatement

_DEVICE_FIELD = re.compile(r"[!-~][ -~]{0,8191}")
"""What is passed on of a request's device headers: servers refuse longer ones."""


@discreet_constructor
class AdobePass(Confidential):
    """Adobe Pass Authentication as a provider (Adobe Pass documentation: Dynamic Client Registration API).

    Parameters:
        software_statement: a `SoftwareStatement`, its text, the path of its file, or a file object. A file is read at
            once, which may block.
        environment: "release-production", "prequal-production", "release-staging" or "prequal-staging".
        base_url: takes the place of the environment's host, for a simulator, a proxy or a spoofed environment; only
            its own origin is protected then. ``http`` is accepted on loopback only.
        device_info: the streaming device, sent as ``X-Device-Info``.
        redirect_uri: sent with the registration, for applications that have one.
        protects: URLs of further APIs, whose origins may see the token.
        forwarded_for: the streaming device's public IP address, sent as ``X-Forwarded-For``. For servers that act for
            devices: Adobe throttles by it.
        device_identifier: the streaming device's own identifier, sent as ``AP-Device-Identifier`` on requests to the
            protected APIs where the caller has not set it. It has to be the same for good, also after a reinstallation.
        device_headers_on_requests: whether requests to the protected APIs carry the other two device headers as well,
            where the caller has not set them.
        token_request: "form" sends the client credentials in the body of the token request; "query" in its URL, for
            servers that want it so.

    Raises:
        ConfigurationError: an argument is wrong.
    """

    instance_header = "AP-Device-Identifier"
    """What tells the devices apart that a server acts for (Adobe Pass documentation: AP-Device-Identifier header)."""

    device_headers = ("X-Device-Info", "X-Forwarded-For")
    """What a request says of its device that registrations and token calls want to know as well."""

    default_store: str | None = None
    """Where a source of tokens keeps what it has if it is not told: what `dcrauth.open_store` takes."""

    default_instance: str | None = None
    """Which instance a source of tokens is of if it is not told."""

    def __init__(
        self,
        software_statement: SoftwareStatement | str | os.PathLike[str] | IO[str] | IO[bytes],
        *,
        environment: Environment = "release-production",
        base_url: str | None = None,
        device_info: DeviceInfo | None = None,
        redirect_uri: str | None = None,
        protects: Iterable[str] = (),
        forwarded_for: str | None = None,
        device_identifier: str | None = None,
        device_headers_on_requests: bool = True,
        token_request: Literal["form", "query"] = "form",
    ) -> None:
        bases = bases_of(environment, base_url)
        guarded = [*bases, *(secure_url(url, "protects") for url in url_list(protects))]
        check_choice(token_request, "token_request", ("form", "query"))
        if redirect_uri is not None:
            check_text(redirect_uri, "redirect_uri")
        if not isinstance(device_headers_on_requests, bool):
            raise wrong("device_headers_on_requests", "True or False", device_headers_on_requests)
        self._statement = SoftwareStatement.of(software_statement)
        self._redirect_uri = redirect_uri
        self._token_request_form = token_request
        self._device_headers_on_requests = device_headers_on_requests
        self.register_url = f"{bases[0]}/o/client/register"
        self.token_url = f"{bases[0]}/o/client/token"
        self.protected_origins = frozenset(origin_of(url) for url in guarded)
        self._describe_device(device_info, forwarded_for, device_identifier)

    @classmethod
    @discreet
    def from_environment(cls, profile: str | None = None) -> Self:
        """Return the provider that variables and profiles describe, for this machine as the streaming device.

        It brings its store and its instance along: what is made of it keeps its credentials where the command
        ``dcrauth`` has them, unless it is told otherwise.

        Parameters:
            profile: the name of a profile; by default that in ``DCRAUTH_PROFILE``, else ``default``, if it is there.

        Raises:
            ConfigurationError: there is no such profile, no statement is named, or a setting is wrong.
        """
        return cls.from_settings(read_settings(profile))

    @classmethod
    @discreet
    def from_settings(cls, settings: Settings) -> Self:
        """Return the provider that *settings* describe, as `from_environment` does.

        Raises:
            ConfigurationError: no statement is named, or a setting is wrong.
        """
        if (statement := settings["software_statement"]) is None:
            raise ConfigurationError(
                "No software statement is named: set DCRAUTH_SOFTWARE_STATEMENT to the path of its file, or "
                f"software_statement in a profile in {settings.config}. Another server than Adobe Pass is named by "
                "DCRAUTH_ISSUER"
            )
        environment: Any = settings["environment"]
        made = cls(
            statement,
            environment=environment,
            base_url=settings["base_url"],
            device_info=DeviceInfo.detect(),
            device_identifier=settings["device_identifier"],
        )
        made.default_store, made.default_instance = settings["store"], settings["instance"]
        return made

    @discreet
    def for_device(
        self,
        device_info: DeviceInfo | None,
        *,
        forwarded_for: str | None = None,
        device_identifier: str | None = None,
    ) -> Self:
        """Return the same provider for another streaming device, for servers that act for many of them.

        Parameters:
            device_info: the device, never the server.
            forwarded_for: the device's public IP address.
            device_identifier: the device's own identifier.

        Raises:
            ConfigurationError: an argument is wrong.
        """
        twin = self._twin()
        twin._describe_device(device_info, forwarded_for, device_identifier)
        return twin

    def for_request(self, fields: Mapping[str, str]) -> Self:
        """Return the same provider, whose two calls say of the device what a request to a protected API says of it.

        Parameters:
            fields: those of `device_headers` that the request has. What is no printable ASCII of at most 8 KiB is left
                out.
        """
        said = {name: value for name, value in fields.items() if _DEVICE_FIELD.fullmatch(value)}
        if said.items() <= self._device_headers.items():
            return self
        twin = self._twin()
        twin._device_headers = MappingProxyType({**self._device_headers, **said})
        return twin

    def instance_in(self, value: str) -> str:
        """Return the device that a value of the `instance_header` names.

        Raises:
            ConfigurationError: it is not ``fingerprint`` and the Base64 of an identifier.
        """
        return identifier_in(value)

    @unfailing
    def __repr__(self) -> str:
        return f"<AdobePass at {self.token_url.removesuffix('/o/client/token')}>"

    @property
    def anchor(self) -> tuple[str, ...]:
        """The two endpoints and the application."""
        return self.register_url, self.token_url, self.application

    @property
    def application(self) -> str:
        """What identifies the application: the statement's subject, or its digest."""
        return self._statement.application

    @property
    def api_headers(self) -> Mapping[str, str]:
        """What requests to the protected APIs shall say of the device."""
        return self._api_headers

    @property
    def device_identifier(self) -> str | None:
        """Which device requests to the protected APIs are about where they do not say so themselves."""
        return self._device_identifier

    @property
    def statement_digest(self) -> str:
        """A digest of the body of a registration: of the statement, and of the redirect URI if there is one."""
        return hashlib.sha256(self.registration_request().body).hexdigest()

    @property
    def throttle_key(self) -> str:
        """The device's address, by which Adobe counts calls (Throttling mechanism); else the token endpoint."""
        return self._device_headers.get("X-Forwarded-For", self.token_url)

    def registration_request(self) -> Request:
        """Return the registration request (Adobe Pass documentation: Retrieve client credentials)."""
        fields = {"software_statement": self._statement.text}
        if self._redirect_uri is not None:
            fields["redirect_uri"] = self._redirect_uri
        return self._post(self.register_url, "application/json;charset=utf-8", json.dumps(fields), registers=True)

    def read_registration(self, response: Response) -> ClientCredentials | Problem:
        """Return the client credentials in the answer; any 2xx status will do."""
        return client_in(response)

    def token_request(self, credentials: ClientCredentials) -> Request:
        """Return the token request (Adobe Pass documentation: Retrieve access token)."""
        parameters = urlencode(
            {
                "grant_type": "client_credentials",
                "client_id": credentials.client_id,
                "client_secret": credentials.client_secret or "",
            }
        )
        in_query = self._token_request_form == "query"
        return self._post(
            self.token_url,
            "application/x-www-form-urlencoded",
            "" if in_query else parameters,
            query=f"?{parameters}" if in_query else "",
        )

    def read_token(self, response: Response) -> TokenGrant | Problem:
        """Return the token in the answer; any 2xx status will do."""
        return token_in(response)

    def register(self, moment: Moment) -> Flow[ClientCredentials]:  # noqa: ARG002  # there is nothing of a moment in it
        """Register the application by one call."""
        return asked(self.registration_request(), self.read_registration)

    def fetch_token(self, credentials: ClientCredentials, moment: Moment) -> Flow[TokenGrant]:  # noqa: ARG002
        """Fetch a token by one call."""
        return asked(self.token_request(credentials), self.read_token)

    def verdict(self, status: int, headers: Mapping[str, str], body: bytes) -> Verdict:  # noqa: ARG002
        """Return what a 401 says (Adobe Pass documentation: Enhanced Error Codes)."""
        return verdict_in(body)

    def _twin(self) -> Self:
        twin = type(self).__new__(type(self))
        twin.__dict__.update(self.__dict__)
        return twin

    def _describe_device(
        self, device_info: DeviceInfo | None, forwarded_for: str | None, device_identifier: str | None
    ) -> None:
        headers: dict[str, str] = {}
        if not isinstance(device_info, DeviceInfo | None):
            raise wrong("device_info", "a DeviceInfo(…)", device_info)
        if device_info is not None:
            headers["X-Device-Info"] = device_info.header
        if forwarded_for is not None:
            headers["X-Forwarded-For"] = _address(forwarded_for)
        self._device_headers = MappingProxyType(headers)
        of_requests = dict(headers) if self._device_headers_on_requests else {}
        self._device_identifier = device_identifier
        if device_identifier is not None:
            of_requests[self.instance_header] = identifier_header(device_identifier)
        self._api_headers = MappingProxyType(of_requests)

    def _post(self, url: str, content_type: str, body: str, *, query: str = "", registers: bool = False) -> Request:
        headers = {
            "Accept": "application/json",
            "Accept-Encoding": "identity",
            "Cache-Control": "no-store",
            "Content-Type": content_type,
            "User-Agent": USER_AGENT,
            **self._device_headers,
        }
        return Request(url + query, headers, body.encode(), endpoint=url, repeatable=not registers, registers=registers)


def _address(forwarded_for: str) -> str:
    check_text(forwarded_for, "forwarded_for")
    if not is_visible(forwarded_for):
        raise ConfigurationError("forwarded_for must be one IP address, such as 203.0.113.7")
    return forwarded_for
