"""The token sources of many identities, for a server that acts for them: made at first use, and bounded in number."""

import threading
import weakref
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from dcrauth import events
from dcrauth._internal import fork
from dcrauth._internal.arguments import check_count, check_function, check_instance, check_plain
from dcrauth._internal.confidential import Confidential, discreet_constructor, unfailing
from dcrauth.engine.clock import Clock
from dcrauth.engine.source import TokenSource
from dcrauth.engine.source_settings import check_settings
from dcrauth.errors import ConfigurationError, InstanceRefused
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Provider, check_provider
from dcrauth.stores import Store, check_store
from dcrauth.transports import Transport


@discreet_constructor
class TokenSources(Confidential):
    """Gives out a `TokenSource` for each instance of an application; they share a store, a transport and a listener.

    Who may send requests with any instance may have any number of clients registered, one for each: see *allow* and
    *registrations_per_hour*.

    Parameters:
        provider: the authorization server, such as `AdobePass`, without a device of its own.
        store: where credentials and tokens of all instances are kept.
        transport: what sends registrations and token calls; by default one on the first HTTP library that is installed.
        policy: how early, how often and how long.
        on_event: called with each event, in order, on a thread of its own.
        most: how many sources are held. Beyond that those go which were not used for the longest time; what they have
            stored is read again when they are needed.
        allow: called with an instance before a source is made for it, on the thread of the request, which may run an
            event loop; it says whether there may be one, and must not block.
        registrations_per_hour: how many registrations may be begun in one hour; None for any number.
        clock: where time comes from.

    Raises:
        ConfigurationError: an argument is wrong, or no HTTP library is installed.
    """

    def __init__(
        self,
        provider: Provider,
        *,
        store: Store,
        transport: Transport | None = None,
        policy: Policy | None = None,
        on_event: Callable[[events.Event], None] | None = None,
        most: int = 10_000,
        allow: Callable[[str], bool] | None = None,
        registrations_per_hour: int | None = None,
        clock: Clock | None = None,
    ) -> None:
        # Imported here as it is in a `TokenSource`.
        from dcrauth.engine.options import SourceOptions  # noqa: PLC0415
        from dcrauth.engine.refused_statements import REFUSALS  # noqa: PLC0415
        from dcrauth.engine.registration_limit import RegistrationLimit  # noqa: PLC0415

        check_settings(provider, store, transport, policy, clock)
        check_store(store)
        _check_of_no_device(provider)
        check_count(most, "most")
        if allow is not None:
            check_function(allow, "allow", "a function that takes an instance and returns whether it may be")
        if registrations_per_hour is not None:
            check_count(registrations_per_hour, "registrations_per_hour")
        limit = REFUSALS if registrations_per_hour is None else RegistrationLimit(registrations_per_hour)
        self.provider = provider
        self._options = SourceOptions.of(provider, store, transport, policy, on_event, clock, limit)
        self._most = most
        self._allow = allow
        self._held: OrderedDict[str, TokenSource] = OrderedDict()
        # Those that were let go while somebody else held them.
        self._elsewhere: weakref.WeakValueDictionary[str, TokenSource] = weakref.WeakValueDictionary()
        # The value of a header that each was found by last, and the other way round: few devices change it.
        self._by_header: dict[Any, TokenSource] = {}
        self._headers: dict[str, Any] = {}
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here; so do all sources."""
        self._lock = threading.RLock()  # a signal handler, or what the collector calls, may come in the middle
        for source in (*self._held.values(), *self._elsewhere.values()):
            source.after_fork()

    @unfailing
    def __repr__(self) -> str:
        return f"<TokenSources of {self.provider!r}, {len(self)} held>"

    def __len__(self) -> int:
        """How many sources are held."""
        return len(self._held)

    def get(self, instance: str, provider: Provider | None = None) -> TokenSource:
        """Return the source of an instance: the one that somebody holds, if anybody does, or one that is made for it.

        Nothing is read or called for that.

        Parameters:
            instance: what tells it from others of the same application, 1 to 512 characters.
            provider: the same authorization server and application with a device of its own, such as
                ``adobe.for_device(…)`` returns; registrations and token calls of this instance describe it from now on.

        Raises:
            ConfigurationError: an argument is wrong.
            InstanceRefused: ``allow`` said no.
        """
        check_instance(instance)
        if provider is not None:
            self._check_same(provider)
        source = self._used(instance) or self._taken_in(instance)
        if provider is not None:
            source.provider = provider
        return source

    def forget(self, instance: str, *, unregister: bool = False) -> bool:
        """Delete the client credentials and tokens of an instance, as `TokenSource.forget` does; may block.

        Parameters:
            instance: which one.
            unregister: whether the server is to delete the client first, as there.

        Returns:
            Whether there were any.

        Raises:
            ConfigurationError: *instance* can be none, or the server has not said how its client is deleted.
            Rejected, Unavailable: the server has not deleted the client.
            StoreError: the store failed before all was deleted; call it again.
        """
        source = self._lasting(instance)
        found = source.forget(unregister=unregister)
        self._release(instance)
        return found

    async def forget_async(self, instance: str, *, unregister: bool = False) -> bool:
        """Do what `forget` does, from an asyncio or trio task."""
        source = self._lasting(instance)
        found = await source.forget_async(unregister=unregister)
        self._release(instance)
        return found

    # What adapters call.

    def named(self, value: str | bytes | None) -> TokenSource:
        """Return the source of the instance that the *value* of the provider's `instance_header` names.

        Raises:
            ConfigurationError: it names none.
            InstanceRefused: ``allow`` said no.
        """
        source: TokenSource | None = self._by_header.get(value)
        if source is None:
            return self._found(value)
        try:  # what is below runs for each request
            self._held.move_to_end(source.instance)
        except KeyError:
            """It was let go at this moment: whoever asks next takes it in again."""
        return source

    def instance_in(self, value: str | bytes | None) -> str:
        """Return the instance that the *value* of the provider's `instance_header` names; raises as `named` does."""
        rule: Any = self.provider
        if not value:
            raise ConfigurationError(
                f"A request to a protected API does not say whose it is: set its {rule.instance_header}, or say it by "
                "DCRAuth(sources, instance_of=…). It was not sent"
            )
        instance: str = rule.instance_in(value.decode("latin-1") if isinstance(value, bytes) else value)
        check_instance(instance, f"What {rule.instance_header} names")
        return instance

    def held(self, instance: str) -> TokenSource | None:
        """Return the source of an instance, if there is one at the moment."""
        return self._held.get(instance) or self._elsewhere.get(instance)

    def _found(self, value: Any) -> TokenSource:
        source = self.get(self.instance_in(value))
        with self._lock:
            if self._held.get(source.instance) is source:
                self._by_header.pop(self._headers.get(source.instance), None)
                self._headers[source.instance] = value
                self._by_header[value] = source
        return source

    def _used(self, instance: str) -> TokenSource | None:
        """Return the source of an instance if it is held, which is now the one that was used last."""
        source = self._held.get(instance)
        if source is not None:
            with suppress(KeyError):  # it was let go at this moment
                self._held.move_to_end(instance)
        return source

    def _taken_in(self, instance: str) -> TokenSource:
        """Return the source of an instance that is not held, and hold it."""
        if instance not in self._elsewhere:
            self._check_allowed(instance)
        with self._lock:
            source = self.held(instance) or TokenSource.with_options(self._options, self.provider, instance)
            self._held[instance] = source
            # To pop is a single step: `named` moves sources to the end without the lock.
            surplus = [self._let_go(*self._held.popitem(last=False)) for _ in range(len(self._held) - self._most)]
        del surplus  # those that nobody else holds end here, and not under the lock
        return source

    def _let_go(self, instance: str, source: TokenSource) -> TokenSource:
        """Hold nothing else about an instance whose source is held no longer; called under the lock."""
        self._elsewhere[instance] = source
        self._by_header.pop(self._headers.pop(instance, None), None)
        source.let_go()
        return source

    def _release(self, instance: str) -> None:
        with self._lock:
            source = self._held.pop(instance, None)
            if source is not None:
                self._let_go(instance, source)

    def _lasting(self, instance: str) -> TokenSource:
        """Return the source of an instance, whether there may be one or not: it can be forgotten in any case."""
        check_instance(instance)
        return self.held(instance) or TokenSource.with_options(self._options, self.provider, instance)

    def _check_allowed(self, instance: str) -> None:
        if self._allow is None:
            return
        try:
            allowed = self._allow(instance)
        except Exception as reason:
            raise ConfigurationError(
                f"allow raised {type(reason).__name__}; it has to return whether an instance may be"
            ) from reason
        check_plain(allowed, "What allow returns", "whether an instance may be")
        if not allowed:
            raise InstanceRefused("The instance that a request names is not one that allow lets in")

    def _check_same(self, provider: Provider) -> None:
        """Make sure that *provider* differs from ours in its device only: else it would be another identity."""
        if type(provider) is not type(self.provider):
            check_provider(provider)
        if any(getattr(provider, name, None) != getattr(self.provider, name, None) for name in _SAME):
            raise ConfigurationError(
                "provider must be the same server and application as that of these TokenSources, such as "
                "adobe.for_device(…); make one TokenSources for each"
            )


_SAME = (
    "register_url",
    "token_url",
    "anchor",
    "application",
    "protected_origins",
    "token_key",
    "certificate_bound",
    "given_id",
)


def _check_of_no_device(provider: Provider) -> None:
    header = getattr(provider, "instance_header", None)
    if header in provider.api_headers:
        raise ConfigurationError(
            f"provider sends the {header} of one device with each request that has none: leave it out here, and say "
            "it of one instance by get(instance, provider=…)"
        )
