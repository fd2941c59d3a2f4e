"""What the adapters share: a token source, the origins that may see its token, and nothing that is a rule."""

import logging
from collections.abc import Callable, Iterable, Mapping
from hashlib import sha256
from typing import Any, ClassVar, NoReturn, Self, overload

from dcrauth._internal.arguments import check_function, check_instance
from dcrauth._internal.confidential import discreet_constructor, unfailing
from dcrauth._internal.log import log
from dcrauth.credentials import NO_CREDENTIALS, AccessToken
from dcrauth.engine.source import TokenSource
from dcrauth.engine.sources import TokenSources
from dcrauth.errors import ConfigurationError, DCRAuthError, in_terms_of, is_connection_fault
from dcrauth.events import Event
from dcrauth.policy import Policy
from dcrauth.providers.origins import origin, prefixes, spellings
from dcrauth.providers.protocol import Provider
from dcrauth.stores import Store
from dcrauth.transports import Transport

LARGEST_REFUSAL = 64 * 1024
"""Of a 401 no more bytes than this are read to see what it says, nor kept in memory."""

UNPACKED_AT_ONCE = 1024
"""So many bytes of a compressed 401 are unpacked at once: a few may become very many."""

_PASSED_ON = "A request goes without a token, as others may after it: only requests to %s get one"
"""Said once, as most of those who wonder about a 401 have named another host; not which one: it may be secret."""


@discreet_constructor
class Adapter:
    """The part of every ``DCRAuth`` that does not depend on the HTTP library."""

    _host_errors: ClassVar[tuple[type[Exception], ...]]
    _connection_errors: ClassVar[tuple[type[Exception], ...]]
    _own_transport: ClassVar[type[Transport]]

    @overload
    def __init__(self, source: TokenSource) -> None: ...

    @overload
    def __init__(
        self, source: TokenSources, *, instance_of: Callable[[Mapping[str, str]], str] | None = None
    ) -> None: ...

    @overload
    def __init__(
        self,
        source: Provider,
        *,
        store: Store | None = None,
        instance: str | None = None,
        transport: Transport | None = None,
        policy: Policy | None = None,
        on_event: Callable[[Event], None] | None = None,
    ) -> None: ...

    def __init__(
        self,
        source: TokenSource | TokenSources | Provider,
        *,
        store: Store | None = None,
        instance: str | None = None,
        transport: Transport | None = None,
        policy: Policy | None = None,
        on_event: Callable[[Event], None] | None = None,
        instance_of: Callable[[Mapping[str, str]], str] | None = None,
    ) -> None:
        """Attach a token source, or those of many instances, to an HTTP client.

        Parameters:
            source: a provider such as `AdobePass`, a `TokenSource` to share between clients, or the `TokenSources` of a
                server: then each request is of the instance that it names.
            store: where credentials and tokens are kept; by default what the provider says that was made from the
                environment, else a `FileStore` in the user's data directory.
            instance: what tells this user application instance from others of the same application; by default what
                such a provider says, else "default".
            transport: what sends the two calls of a renewal; by default one on the same HTTP library.
            policy: how early, how often and how long.
            on_event: called with each event, in order, on a thread of its own.
            instance_of: with `TokenSources`, called with the headers of each request to a protected API, and returns
                the instance that it is of; by default the provider reads it from the header field that it has for that.

        Raises:
            ConfigurationError: an argument is wrong, or a `TokenSource` comes with settings that it already has.
        """
        if isinstance(source, TokenSource | TokenSources):
            _check_alone(source, store=store, instance=instance, transport=transport, policy=policy, on_event=on_event)
        else:
            source = TokenSource(
                source,
                store=store,
                instance=instance,
                transport=type(self)._own_transport() if transport is None else transport,
                policy=policy,
                on_event=on_event,
            )
        _check_instance_of(instance_of, source)
        self._source = source if isinstance(source, TokenSource) else None
        self._sources = source if isinstance(source, TokenSources) else None
        self._instance_of = instance_of
        self._instance_header: str = getattr(source.provider, "instance_header", "")
        self._instance_field = self._instance_header.lower().encode()
        self._origins = source.provider.protected_origins
        # How URLs of these origins begin, or what their parts are: found at once, where parsing takes its time.
        self._prefixes = prefixes(self._origins)
        self._spelled = spellings(self._origins)
        self._has_told = False
        self._api_headers = dict(source.provider.api_headers) if self._sources is None else None

    @unfailing
    def __repr__(self) -> str:
        return f"{type(self).__module__}.{type(self).__qualname__}({self._source or self._sources!r})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        # requests pickles the auth object along with a Response; that must not fail, and must not carry secrets.
        return Unattached, ()

    def _protects(self, scheme: str, host: str | None, port: int | None) -> bool:
        """Whether a URL of these parts may see the token; the *host* is the one that goes on the wire."""
        if (scheme, host, port) in self._spelled or origin(scheme, host or "", port) in self._origins:
            return True
        if not self._has_told:
            self._has_told = True
            origins = ", ".join(f"{scheme}://{name}:{at}" for scheme, name, at in sorted(self._origins))
            log(logging.DEBUG, _PASSED_ON, origins)
        return False

    def _picked(self, request: Any) -> TokenSource:
        """Return the source of the instance that *request* is of."""
        assert self._sources is not None  # noqa: S101  # else there is one source for all
        try:
            if self._instance_of is None:
                return self._sources.named(self._named_by(request))
            return self._sources.get(self._instance(request))
        except DCRAuthError as error:
            failure = error
        raise self._in_hosts_terms(failure) from failure

    def _token(self, source: TokenSource, request: Any, instead_of: AccessToken | None = None) -> AccessToken:
        try:
            self._describe(source, request)
            return source.token(instead_of=instead_of)
        except DCRAuthError as error:
            failure = error
        raise self._in_hosts_terms(failure) from failure

    async def _token_async(
        self, source: TokenSource, request: Any, instead_of: AccessToken | None = None
    ) -> AccessToken:
        try:
            self._describe(source, request)
            return await source.token_async(instead_of=instead_of)
        except DCRAuthError as error:
            failure = error
        raise self._in_hosts_terms(failure) from failure

    def _in_hosts_terms(self, failure: DCRAuthError) -> DCRAuthError:
        """Return *failure* as an error of the library's, which is what wraps a client, such as a retry layer, knows."""
        return in_terms_of(self._connection_errors if is_connection_fault(failure) else self._host_errors, failure)

    def _asks_for_renewal(self, source: TokenSource, token: AccessToken, response: Any, body: bytes) -> bool:
        """Whether a 401 with *body*, the answer to a request with *token*, is about the token at all."""
        return source.refused(token, source.provider.verdict(401, _lowered(response.headers), body))

    # From here on, no variable holds a header or all of them: programs log those of a function that is interrupted.

    def _instance(self, request: Any) -> str:
        """Return the instance that *request* is of."""
        assert self._sources is not None  # noqa: S101  # else there is one for all
        if self._instance_of is None:
            return self._sources.instance_in(self._named_by(request))
        try:
            instance = self._instance_of(request.headers)
        except Exception as reason:
            raise ConfigurationError(
                f"instance_of raised {type(reason).__name__}; it has to return the instance that a request is of"
            ) from reason
        check_instance(instance, "What instance_of returns")
        return instance

    def _named_by(self, request: Any) -> str | bytes | None:
        """Return what *request* has in the header field that says whose it is."""
        return request.headers.get(self._instance_header)  # type: ignore[no-any-return]

    def _describe(self, source: TokenSource, request: Any) -> None:
        """Have the two calls of *source* say of the device what *request* says of it."""
        provider: Any = source.provider
        if self._sources is None or not hasattr(provider, "for_request"):
            return
        said = {name: _text(request.headers.get(name)) for name in provider.device_headers}
        source.provider = provider.for_request({name: text for name, text in said.items() if text})

    def _ours_on(self, request: Any, source: TokenSource | None) -> AccessToken | None:
        """Return the token of *source* that *request* carries, if it does."""
        if source is None:
            return None
        return source.recognised(
            sha256(str(request.headers.get("Authorization")).encode(errors="backslashreplace")).digest()
        )

    def _has_callers(self, request: Any) -> bool:
        """Whether *request*, which has an ``Authorization``, has it from the caller; one in bytes becomes text."""
        if isinstance(request.headers.get("Authorization"), bytes):  # which requests takes, though its types do not
            request.headers["Authorization"] = request.headers["Authorization"].decode("latin-1")
        return request.headers.get("Authorization") is not None and self._is_callers(request)

    def _is_callers(self, request: Any) -> bool:
        """Whether the ``Authorization`` of *request* is the caller's: neither ours, nor one that says nothing."""
        says_nothing = NO_CREDENTIALS.fullmatch(str(request.headers.get("Authorization") or ""))
        return says_nothing is None and self._ours_on(request, self._source or self._present(request)) is None

    def _present(self, request: Any) -> TokenSource | None:
        """Return the source of the instance that *request* is of, if there is one already."""
        assert self._sources is not None  # noqa: S101  # else there is one for all
        try:
            return self._sources.held(self._instance(request))
        except ConfigurationError:
            return None

    def _sign(self, request: Any, source: TokenSource, token: AccessToken) -> None:
        """Put *token* on *request*, and the provider's own headers where the caller has not set them."""
        request.headers["Authorization"] = token.authorization
        own = source.provider.api_headers if self._api_headers is None else self._api_headers
        if own:
            for name, value in own.items():
                if not request.headers.get(name):
                    request.headers[name] = value


def _check_alone(source: TokenSource | TokenSources, **settings: object) -> None:
    if given := [name for name, value in settings.items() if value is not None]:
        kind, of_one = type(source).__name__, ", an instance to its get(…)" if isinstance(source, TokenSources) else ""
        raise ConfigurationError(
            f"{', '.join(given)} cannot be given here: "
            f"{kind} has its own store, instance, transport, policy and on_event already: give them to that{of_one}"
        )


def _check_instance_of(instance_of: object, source: TokenSource | TokenSources) -> None:
    if isinstance(source, TokenSource):
        if instance_of is not None:
            raise ConfigurationError("instance_of is for a TokenSources: a TokenSource is of one instance")
    elif instance_of is not None:
        check_function(instance_of, "instance_of", "a function of the headers of a request")
    elif not hasattr(source.provider, "instance_in"):
        raise ConfigurationError(
            f"{type(source.provider).__name__} has no rule for whose a request is: give "
            "DCRAuth(sources, instance_of=lambda headers: …)"
        )


def _lowered(headers: Any) -> dict[str, str]:
    """Return the header fields of a response, names in lower case; what comes several times is joined by commas."""
    found: dict[str, str] = {}
    for name, value in headers.items():
        key = str(name).lower()
        found[key] = f"{found[key]}, {value}" if key in found else str(value)
    return found


def _text(value: str | bytes | None) -> str:
    """Return the value of a header field, which requests takes in bytes too; nothing where there is none."""
    return value.decode("latin-1") if isinstance(value, bytes) else value or ""


def is_long(length: str) -> bool:
    """Whether a ``Content-Length`` announces more than is read of a 401."""
    return length.isascii() and length.isdigit() and (len(length) > 15 or int(length) > LARGEST_REFUSAL)


def short(parts: Iterable[bytes]) -> bytes | None:
    """Return *parts* joined, or None as soon as they are more than is read of a 401."""
    joined = bytearray()
    for part in parts:
        joined += part
        if len(joined) > LARGEST_REFUSAL:
            return None
    return bytes(joined)


class Unattached:
    """What a ``DCRAuth`` comes back as from a pickle, which carries no secrets: it refuses to do anything."""

    def __call__(self, *_: object, **__: object) -> NoReturn:
        """Refuse."""
        raise ConfigurationError("This DCRAuth came out of a pickle, which carries no secrets: attach a new one")

    answered = sync_auth_flow = async_auth_flow = __call__
    before = before_async = after = after_async = __call__
