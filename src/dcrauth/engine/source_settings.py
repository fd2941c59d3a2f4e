"""What a token source may be made with, and what it takes where nothing is said."""

from dcrauth._internal.arguments import check_methods, wrong
from dcrauth.engine.clock import Clock
from dcrauth.policy import Policy
from dcrauth.providers.protocol import Provider, check_provider
from dcrauth.stores import Store, check_store
from dcrauth.transports import check_transport


def check_settings(provider: object, store: object, transport: object, policy: object, clock: object) -> None:
    """Raise ConfigurationError if a setting of token sources is of a kind that will not do; None is the usual one."""
    check_provider(provider)
    if store is not None:
        check_store(store)
    if transport is not None:
        check_transport(transport)
    if not isinstance(policy, Policy | None):
        raise wrong("policy", "a Policy(…)", policy)
    if clock is not None:
        check_methods(clock, "clock", Clock, "a Clock(…)")


def default_instance(provider: Provider) -> str:
    """Return the instance that a *provider* from the environment or a profile says, else "default"."""
    return getattr(provider, "default_instance", None) or "default"


def default_store(provider: Provider) -> Store:
    """Return the store that a *provider* from the environment or a profile says, else files in the user's directory."""
    if (where := getattr(provider, "default_store", None)) is not None:
        from dcrauth.stores.by_url import open_store  # noqa: PLC0415  # as below

        return open_store(where)
    from dcrauth.stores.file import FileStore  # noqa: PLC0415  # for those who have not chosen another one

    return FileStore()
