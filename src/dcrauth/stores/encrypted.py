"""Records that are encrypted before they reach another store, and told from changed or swapped ones when they return.

    8 bytes    MAGIC, which no record in plain text begins with
    1 byte     the version of this layout
    8 bytes    which key: the beginning of a digest of it
    12 bytes   nonce, drawn for this writing
    the rest   AES-256-GCM of the record, and its tag of 16 bytes

What stands before the nonce is authenticated along with the key under which the record is stored.
"""

import hashlib
import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from dataclasses import field
from functools import partial

try:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
except ImportError as missing:
    raise ImportError("EncryptedStore needs cryptography; run: pip install dcrauth[encryption]") from missing

from dcrauth._internal import fork
from dcrauth._internal.confidential import Confidential, confidential, discreet_constructor, unfailing
from dcrauth._internal.strict_json import DEEPEST, json_object
from dcrauth.errors import (
    ConfigurationError,
    DCRAuthError,
    DecryptionFailed,
    StoreCorrupt,
    StoreError,
    StoreTooNew,
    StoreUnavailable,
)
from dcrauth.stores import Closing, Reading, Store, check_store, get_many, place_of, reading, watch_forks

__all__ = ["EncryptedStore"]

_MAGIC = b"\x8cdcrauth"
_VERSION = 1
_ID_START, _NONCE_START, _CONTENT_START = 9, 17, 29
_TAG = 16
_KEY_LENGTH = 32
_ATTEMPTS = 16
"""How often a record that others keep re-encrypting is read again before giving up."""

_UNREADABLE = (StoreCorrupt, StoreTooNew, DecryptionFailed)

KeySource = bytes | Callable[[], bytes]


@confidential
class _Key(Confidential):
    """A key that is ready for use.

    Parameters:
        id: 8 bytes that tell it from others and tell nothing else about it.
        cipher: encrypts and decrypts with it.
    """

    id: bytes
    cipher: AESGCM = field(repr=False)


@discreet_constructor
class EncryptedStore(Confidential, Closing):
    """A store that keeps its records in another one, encrypted; what is there in plain text it refuses.

    Parameters:
        inner: where the encrypted records go.
        keys: 32 bytes each, or something to call for them when they are first needed (see `dcrauth.stores.keys`). The
            first one encrypts, all of them decrypt.

    The keys of records are not encrypted: they are digests. Whoever can write to the other store can delete records, or
    put an older one back under its own key; anything else is noticed.

    Raises:
        ConfigurationError: *inner* is no store, or there is no key, or one that is not 32 bytes long.
    """

    def __init__(self, inner: Store, *, keys: Sequence[KeySource]) -> None:
        check_store(inner, "inner")
        watch_forks(inner)
        self._inner = inner
        self._sources = _checked(keys)
        self._loaded: tuple[_Key, ...] = ()
        self.after_fork()
        fork.watch(self)

    def after_fork(self) -> None:
        """Make a new lock: that of the parent may be held by a thread that does not exist here."""
        self._guard = threading.Lock()

    @unfailing
    def __repr__(self) -> str:
        return f"<EncryptedStore with {len(self._sources)} keys over {self._inner!r}>"

    def close(self) -> None:
        """Close the other store, if it can be."""
        getattr(self._inner, "close", lambda: None)()

    @property
    def single_writer(self) -> bool:
        """Whether the other store promises nothing to other processes."""
        return bool(getattr(self._inner, "single_writer", False))

    @property
    def place(self) -> Hashable:
        """Where the records are, however many objects lead there."""
        return "encrypted", place_of(self._inner)

    def get(self, key: str) -> bytes | None:
        """Return the record under *key*, decrypted, or None if the other store has none.

        Raises:
            StoreCorrupt: the record was changed, belongs to another key, or is in plain text; it is left as it is.
            StoreTooNew: a later version has encrypted it.
            DecryptionFailed: it is encrypted with none of the keys.
        """
        found = self._inner.get(key)
        return None if found is None else self._opened(key, found)

    def get_many(self, keys: Sequence[str]) -> dict[str, Reading]:
        """Return what `get` returns for each of the *keys*, or the error that it raises, in one go if the other can."""
        found = get_many(self._inner, keys)
        return {key: self._read(key, found[key]) for key in keys}

    def _read(self, key: str, found: Reading) -> Reading:
        return reading(partial(self._opened, found=found), key) if isinstance(found, bytes) else found

    def add(self, key: str, value: bytes) -> bool:
        """Write a record unless there is one; return whether it was written."""
        return self._inner.add(key, self._sealed(key, value))

    def replace(self, key: str, value: bytes, *, expected: bytes) -> bool:
        """Write a record if the present one is *expected*; return whether it was written."""
        for _ in range(_ATTEMPTS):
            found = self._inner.get(key)
            if found is None or self._opened(key, found) != expected:
                return False
            if self._inner.replace(key, self._sealed(key, value), expected=found):
                return True
            # Either somebody has written another record, or the same one under another key: the next look tells.
        raise _restless(key)

    def put(self, key: str, value: bytes) -> None:
        """Write a record that may be lost; the last writer wins."""
        self._inner.put(key, self._sealed(key, value))

    def delete(self, key: str) -> None:
        """Remove the record under *key*, if there is one; this takes no key to decrypt it."""
        self._inner.delete(key)

    def keys(self) -> Iterator[str]:
        """Yield the keys of all records; this takes no key to decrypt them."""
        return self._inner.keys()

    def lock(self, key: str, *, wait: float) -> AbstractContextManager[None]:
        """Keep others from renewing *key* meanwhile, as the other store does it."""
        return self._inner.lock(key, wait=wait)

    def healthcheck(self) -> None:
        """Raise unless all keys are at hand and a record could be written now."""
        self._ring()
        self._inner.healthcheck()

    def load_keys(self) -> None:
        """Ask for the keys now, where that is to fail before anything else does; they are kept in memory then.

        Raises:
            DecryptionFailed, InsecureStore, StoreUnavailable: one is not to be had.
            ConfigurationError: what is in the place of one is none.
        """
        self._ring()

    def rotate(self) -> int:
        """Encrypt every record that is under another key with the first one; return how many there were.

        Others may read and write meanwhile, if they have the first key as well. If this is interrupted, run it again.

        Raises:
            StoreCorrupt, StoreTooNew, DecryptionFailed: some records cannot be decrypted. They were left as they are,
                all others were seen to, and the message tells of the first of them.
            StoreError: the other store cannot list or read all of them; those that it listed were seen to.
        """
        return self._rewritten(self._rotated)

    def migrate(self) -> int:
        """Encrypt every record that is in plain text; return how many there were.

        Meant for a store that was in use without encryption, once: who can write to it could have put records there.
        Others may use it through an `EncryptedStore` meanwhile, which refuses a record until it is encrypted. If this
        is interrupted, run it again.

        Raises:
            DecryptionFailed: a record is encrypted already, with none of the keys; nothing was written.
            StoreCorrupt: some records are neither encrypted nor records of dcrauth. They were left as they are, all
                others were seen to, and the message tells of the first of them.
            StoreError: the other store cannot list or read all of them; those that it listed were seen to.
        """
        self._check_sealed()
        return self._rewritten(self._migrated)

    def _check_sealed(self) -> None:
        """Raise unless the keys are those of the records that are encrypted already, before one is under another."""
        for key in self._listed([]):
            try:
                found = self._inner.get(key)
            except (StoreCorrupt, StoreTooNew):
                continue  # it is met again, and told along with all others
            try:
                self._check_key(key, found or b"")
            except DecryptionFailed as problem:
                raise DecryptionFailed(
                    f"Nothing was encrypted: {problem.message}. A store has one key: give the one that it has"
                ) from None

    def _check_key(self, key: str, found: bytes) -> None:
        """Raise if a record is encrypted with none of the keys; whether it is whole is another question."""
        with suppress(StoreCorrupt, StoreTooNew):
            if is_sealed(found):
                self._opened(key, found)

    def _rotated(self, key: str, found: bytes) -> bytes | None:
        _check_layout(key, found)
        if found[_ID_START:_NONCE_START] == self._ring()[0].id:
            return None
        return self._sealed(key, self._opened(key, found))

    def _migrated(self, key: str, found: bytes) -> bytes | None:
        if is_sealed(found):
            self._check_key(key, found)  # it may be another one than before
            return None
        try:
            json_object(found, deepest=2 * DEEPEST)  # as deep as a record may be
        except ValueError:
            raise _damaged(key, "it is neither encrypted nor a record of dcrauth in plain text") from None
        return self._sealed(key, found)

    def _rewritten(self, rewrite: Callable[[str, bytes], bytes | None]) -> int:
        """Put what *rewrite* makes of each record in its place, unless that is None; return how many were written."""
        self.healthcheck()
        done, problems, unlisted = 0, list[StoreError](), list[StoreError]()
        for key in self._listed(unlisted):
            try:
                done += self._rewrite(key, rewrite)
            except _UNREADABLE as problem:
                problems.append(problem)
        if told := problems[:1] + unlisted:
            left = f", {len(problems)} were left as they are" if problems else ""
            raise type(told[0])(f"{done} records were encrypted{left}. {'. '.join(map(str, told))}")
        return done

    def _listed(self, unlisted: list[StoreError]) -> Iterator[str]:
        """Yield the keys of all records, and note with what error the other store ends the list, if it does."""
        try:
            yield from self._inner.keys()
        except StoreError as problem:
            unlisted.append(problem)

    def _rewrite(self, key: str, rewrite: Callable[[str, bytes], bytes | None]) -> bool:
        for _ in range(_ATTEMPTS):
            found = self._inner.get(key)
            new = None if found is None else rewrite(key, found)
            if found is None or new is None:
                return False
            if self._inner.replace(key, new, expected=found):
                return True
        raise _restless(key)

    def _sealed(self, key: str, value: bytes) -> bytes:
        first = self._ring()[0]
        heading = _MAGIC + bytes([_VERSION]) + first.id
        # From the system each time, not from a generator that two processes would share after a fork.
        nonce = os.urandom(_CONTENT_START - _NONCE_START)
        return heading + nonce + first.cipher.encrypt(nonce, value, _authenticated(heading, key))

    def _opened(self, key: str, found: bytes) -> bytes:
        _check_layout(key, found)
        heading, nonce = found[:_NONCE_START], found[_NONCE_START:_CONTENT_START]
        with_it = self._key(key, found[_ID_START:_NONCE_START])
        try:
            return with_it.cipher.decrypt(nonce, found[_CONTENT_START:], _authenticated(heading, key))
        except InvalidTag:
            raise _damaged(key, "it was changed, or copied from another key") from None

    def _key(self, key: str, identifier: bytes) -> _Key:
        for each in self._ring():
            if each.id == identifier:
                return each
        raise DecryptionFailed(
            f"Record {key[:80]!r} of the store is encrypted with the key {identifier.hex()}, which is not at hand; it "
            "was left as it is. Add that key to the argument 'keys', after the first one"
        )

    def _ring(self) -> tuple[_Key, ...]:
        """Return all keys, the first one first; ask for them once."""
        if not self._loaded:
            with self._guard:
                if not self._loaded:
                    self._loaded = tuple(_loaded(source, number) for number, source in enumerate(self._sources, 1))
        return self._loaded


def _checked(keys: Sequence[KeySource]) -> tuple[_Key | Callable[[], bytes], ...]:
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


def _ready(key: object) -> _Key | None:
    """Return a key ready for use, or None if it is none."""
    if not isinstance(key, bytes) or len(key) != _KEY_LENGTH:
        return None
    return _Key(hashlib.sha256(b"dcrauth key id\0" + key).digest()[: _NONCE_START - _ID_START], AESGCM(key))


def _loaded(source: _Key | Callable[[], bytes], number: int) -> _Key:
    if isinstance(source, _Key):
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


def is_sealed(found: bytes) -> bool:
    """Return whether a record as the other store holds it is an encrypted one."""
    return found.startswith(_MAGIC)


def _check_layout(key: str, found: bytes) -> None:
    if not is_sealed(found):
        raise _damaged(key, "it is not encrypted. If it was written before encryption was turned on, call migrate()")
    version = found[len(_MAGIC)] if len(found) > len(_MAGIC) else 0
    if version > _VERSION:
        raise StoreTooNew(
            f"Record {key[:80]!r} was encrypted by a later version of dcrauth (layout {version}); upgrade"
        )
    if version < _VERSION or len(found) < _CONTENT_START + _TAG:
        raise _damaged(key, "it is cut short or changed")


def _authenticated(heading: bytes, key: str) -> bytes:
    return heading + key.encode("utf-8", "surrogatepass")


def _damaged(key: str, reason: str) -> StoreCorrupt:
    return StoreCorrupt(f"Record {key[:80]!r} of the store was left as it is: {reason}")


def _restless(key: str) -> StoreUnavailable:
    return StoreUnavailable(f"Record {key[:80]!r} was encrypted anew by others over and over; try again")
