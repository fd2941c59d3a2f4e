"""Records that are encrypted before they reach another store; what was changed or swapped there is noticed."""

from collections.abc import Callable, Hashable, Iterator, Sequence
from contextlib import AbstractContextManager, suppress
from functools import partial

from dcrauth._internal.confidential import Confidential, discreet_constructor, unfailing
from dcrauth._internal.strict_json import DEEPEST, json_object
from dcrauth.errors import DecryptionFailed, StoreCorrupt, StoreError, StoreTooNew, StoreUnavailable
from dcrauth.stores import Closing, Reading, Store, check_store, get_many, place_of, reading, watch_forks
from dcrauth.stores._key_ring import KeyRing, KeySource
from dcrauth.stores._sealing import damaged, is_sealed, key_id_of

__all__ = ["EncryptedStore"]

_ATTEMPTS = 16
"""How often a record that others keep re-encrypting is read again before giving up."""

_UNREADABLE = (StoreCorrupt, StoreTooNew, DecryptionFailed)


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
        self._ring = KeyRing(keys)

    @unfailing
    def __repr__(self) -> str:
        return f"<EncryptedStore with {len(self._ring)} keys over {self._inner!r}>"

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
        self._ring.keys()
        self._inner.healthcheck()

    def load_keys(self) -> None:
        """Ask for the keys now, where that is to fail before anything else does; they are kept in memory then.

        Raises:
            DecryptionFailed, InsecureStore, StoreUnavailable: one is not to be had.
            ConfigurationError: what is in the place of one is none.
        """
        self._ring.keys()

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
        if key_id_of(key, found) == self._ring.keys()[0].id:
            return None
        return self._sealed(key, self._opened(key, found))

    def _migrated(self, key: str, found: bytes) -> bytes | None:
        if is_sealed(found):
            self._check_key(key, found)  # it may be another one than before
            return None
        try:
            json_object(found, deepest=2 * DEEPEST)  # as deep as a record may be
        except ValueError:
            raise damaged(key, "it is neither encrypted nor a record of dcrauth in plain text") from None
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
        return self._ring.keys()[0].seal(key, value)

    def _opened(self, key: str, found: bytes) -> bytes:
        return self._ring.named(key_id_of(key, found), key).open(key, found)


def _restless(key: str) -> StoreUnavailable:
    return StoreUnavailable(f"Record {key[:80]!r} was encrypted anew by others over and over; try again")
