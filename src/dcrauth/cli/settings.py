"""The settings of a command: what its options say, then variables, then a profile; and what is made of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from dcrauth._internal import store_urls
from dcrauth.cli.chosen_provider import provider_of
from dcrauth.engine.source import TokenSource
from dcrauth.errors import ConfigurationError
from dcrauth.events import Event
from dcrauth.policy import Policy
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.oauth.oauth_server import OAuthServer
from dcrauth.providers.settings import Settings, read_settings
from dcrauth.stores import Store, keys
from dcrauth.stores.by_url import open_store
from dcrauth.stores.file import FileStore
from dcrauth.stores.memory import MemoryStore


@dataclass(frozen=True)
class CommandSettings:
    """What the options of a command say of its settings.

    Parameters:
        profile: the name of a profile.
        given: values of single settings, by the names in `dcrauth.providers.settings.VARIABLES`; None for open ones.
        prefix: what the keys in a Redis begin with.
        key_files: files that hold keys of an encrypted store.
        key_variables: variables that hold such keys.
        key_services: under which the keyring of the system holds such keys.
    """

    profile: str | None = None
    given: Mapping[str, str | None] = field(default_factory=dict, repr=False)
    prefix: str | None = None
    key_files: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    key_services: tuple[str, ...] = ()

    @property
    def is_encrypted(self) -> bool:
        """Whether the store is said to be an encrypted one."""
        url = self.read()["store"] or ""
        return bool(self._keys()) or store_urls.is_encrypted(url)

    def read(self) -> Settings:
        """Return all settings, each with its origin.

        Raises:
            ConfigurationError: there is no such profile, or the file with the profiles is none.
        """
        return read_settings(self.profile, self.given)

    def store(self) -> Store:
        """Return the store, which is made but not looked into.

        Raises:
            ConfigurationError: nothing is a store that is called so, or a key cannot be read.
        """
        return store_at(self.read()["store"], self.prefix, self._keys())

    def _keys(self) -> list[Callable[[], bytes]]:
        return [
            *map(keys.key_from_file, self.key_files),
            *map(keys.key_from_environment, self.key_variables),
            *map(keys.key_from_keyring, self.key_services),
        ]

    def provider(self) -> AdobePass | OAuthServer:
        """Return the provider.

        Raises:
            ConfigurationError: no statement is named, or a setting is wrong.
        """
        return provider_for(self.read())

    def source(self, *, policy: Policy | None = None, on_event: Callable[[Event], None] | None = None) -> TokenSource:
        """Return the source of tokens that a program with the same settings has.

        Raises:
            ConfigurationError: a setting is wrong, or no HTTP library is installed.
        """
        return TokenSource(self.provider(), store=self.store(), policy=policy, on_event=on_event)


_NO_API = "https://no-api.invalid"
"""What may see the token where nothing has to: no name ends so (RFC 6761 §6.4)."""


def provider_for(settings: Settings) -> AdobePass | OAuthServer:
    """Return the provider of *settings*; a command sends no token to an API, so that none needs to be named.

    Raises:
        ConfigurationError: no statement is named, or a setting is wrong.
    """
    return provider_of(settings, _NO_API)


def store_at(where: str | None, prefix: str | None = None, keys: Sequence[Callable[[], bytes]] = ()) -> Store:
    """Return the store that *where* names, else the one in the user's data directory; made, but not looked into.

    Parameters:
        where: what `open_store` takes.
        prefix: what the keys in a Redis begin with.
        keys: those of an encrypted store, where *where* does not say that it is one.

    Raises:
        ConfigurationError: nothing is a store that is called so, it ends with the command, or its keys are named twice.
        StoreError: a key cannot be read.
    """
    store = _encrypted(_plain_store_at(where, prefix), keys)
    if isinstance(store, MemoryStore):
        raise ConfigurationError("A store in memory ends with this command: name one that stays, such as sqlite:FILE")
    # Read at once: where the store is the wrong one, its lack of a record would hide the lack of a key.
    getattr(store, "load_keys", lambda: None)()
    return store


def _plain_store_at(where: str | None, prefix: str | None) -> Store:
    if where:
        return open_store(where, prefix=prefix)
    if prefix is not None:
        raise ConfigurationError("A prefix is for a Redis: leave it out, or give the URL of one with --store")
    return FileStore()


def _encrypted(store: Store, keys: Sequence[Callable[[], bytes]]) -> Store:
    if not keys:
        return store
    if hasattr(store, "load_keys"):
        raise ConfigurationError("The keys of the encrypted store are named twice: in its name, and by options")
    from dcrauth.stores.encrypted import EncryptedStore  # noqa: PLC0415  # needs an extra

    return EncryptedStore(store, keys=list(keys))
