"""The keys of an encrypted store: those that are given, and those that are asked for when they are first needed."""

import threading
from collections.abc import Callable, Sequence

from dcrauth._internal import fork
from dcrauth._internal.confidential import Confidential, discreet_constructor
from dcrauth.errors import ConfigurationError, DCRAuthError, DecryptionFailed, StoreUnavailable
from dcrauth.stores._sealing import KEY_LENGTH, Key

KeySource = bytes | Callable[[], bytes]


@discreet_constructor
class KeyRing(Confidential):
    """The keys of one store.

    Parameters:
        keys: 32 bytes each, or something to call for them. The first one encrypts, all of them decrypt.

    Raises:
        ConfigurationError: there is no key, or one that is not 32 bytes long.
    """

    def __init__(self, keys: Sequence[KeySource]) -> None:
        self._sources = _checked(keys)
        self._loaded: tuple[Key, ...] = ()
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._guard = threading.Lock()

    def __len__(self) -> int:
        return len(self._sources)

    def keys(self) -> tuple[Key, ...]:
        """Return all keys, the first one first; ask for them once.

        Raises:
            DecryptionFailed, InsecureStore, StoreUnavailable: one is not to be had.
            ConfigurationError: what is in the place of one is none.
        """
        if not self._loaded:
            with self._guard:
                if not self._loaded:
                    self._loaded = tuple(_loaded(source, number) for number, source in enumerate(self._sources, 1))
        return self._loaded

    def named(self, number: bytes, key: str) -> Key:
        """Return the key with the id *number*, which encrypts the record under *key*.

        Raises:
            DecryptionFailed: it is none of them.
        """
        for each in self.keys():
            if each.id == number:
                return each
        raise DecryptionFailed(
            f"Record {key[:80]!r} of the store is encrypted with the key {number.hex()}, which is not at hand; it "
            "was left as it is. Add that key to the argument 'keys', after the first one"
        )


def _checked(keys: Sequence[KeySource]) -> tuple[Key | Callable[[], bytes], ...]:
    given: object = keys
    if not isinstance(given, Sequence) or isinstance(given, str | bytes) or not given:
        raise ConfigurationError("The keys of an EncryptedStore are a list with at least one")
    sources = [each if callable(each) else _ready(each) for each in keys]
    if None in sources:
        raise ConfigurationError(
            f"Key {sources.index(None) + 1} of an EncryptedStore is not 32 bytes long; make one with "
            "dcrauth.stores.keys.generate_key, and have it read by one of the other functions there"
        )
    return tuple(each for each in sources if each is not None)


def _ready(key: object) -> Key | None:
    """Return a key ready for use, or None if it is none."""
    if not isinstance(key, bytes) or len(key) != KEY_LENGTH:
        return None
    return Key.of(key)


def _loaded(source: Key | Callable[[], bytes], number: int) -> Key:
    if isinstance(source, Key):
        return source
    try:
        key = _ready(source())
    except DCRAuthError:
        raise
    except Exception as reason:  # it is the user's own function, which may raise anything
        failure = type(reason).__name__
    else:
        if key is None:
            raise DecryptionFailed(f"What was called for key {number} of an EncryptedStore did not return 32 bytes")
        return key
    # Raised out here, where it does not carry along the other error, which might tell a secret.
    raise StoreUnavailable(f"Key {number} of an EncryptedStore could not be had: {failure}")
