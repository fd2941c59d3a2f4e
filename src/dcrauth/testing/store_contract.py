"""What every store promises, as tests to run over a store of your own.

    import functools
    import pytest
    from dcrauth.testing.store_contract import StoreContract

    class TestMyStore(StoreContract):
        @pytest.fixture
        def factory(self, tmp_path):
            return functools.partial(MyStore, tmp_path / "records")

A store that keeps its promises between the threads of one process only, such as one in memory, says so by an attribute
``single_writer = True``; what then cannot be promised is not tested.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

try:
    import pytest
except ImportError as missing:
    raise ImportError("dcrauth.testing.store_contract needs pytest; run: pip install dcrauth[testing]") from missing

from dcrauth.errors import StoreError, StoreUnavailable
from dcrauth.stores import Reading, Store, reads_many
from dcrauth.testing._races import PATIENCE, Factory, add_and_read, count_up, enter_and_leave, forked, race

HOSTILE_KEYS = (
    *("a", "A", "", " ", "../../etc/passwd", "/etc/passwd", "CON", "nul\0", "é", "e\u0301", "line\nbreak", "\udc80"),
    *("*", "a*", "[a]", "?", "a'b", 'a"b', "%s", "{0}", "a:b", "x" * 10_000, "0" * 64 + ".credentials"),
)
"""Keys that are to be told apart, and to lead nowhere."""

VALUES = (b"", b"value", b"\x00\xff\n\n", b"'; DROP TABLE records; --", bytes(range(256)), b"x" * 100_000)

_THREADS, _PROCESSES, _TIMES = 16, 4, 25
needs_fork = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")


class StoreContract:
    """The promises of a `dcrauth.Store`; subclass it and override `factory`, and the hooks at the end if you can."""

    @pytest.fixture
    def factory(self, tmp_path: Path) -> Factory:
        """Return something that opens the store when it is called: the same, empty, storage each time.

        To be run in other processes it has to be picklable, such as a `functools.partial` of a class.
        """
        raise NotImplementedError("override the fixture 'factory'")

    @pytest.fixture
    def store(self, factory: Factory) -> Store:
        """The store under test, empty."""
        return factory()

    @pytest.fixture
    def shared(self, store: Store) -> Store:
        """The same, where it promises something beyond one process."""
        if getattr(store, "single_writer", False):
            pytest.skip("the store declares single_writer: it promises nothing to other processes")
        return store

    @pytest.fixture
    def get_many(self, store: Store) -> Callable[[Sequence[str]], dict[str, Reading]]:
        """What reads several records at once, where the store has it."""
        found = reads_many(store)
        if found is None:
            pytest.skip("the store has no get_many: its records are read one by one")
        return found

    # One at a time.

    def test_it_has_every_method(self, store: Store) -> None:
        """The store has each method of the protocol, and what it declares about itself is a bool."""
        assert isinstance(store, Store)
        assert getattr(store, "single_writer", False) in {True, False}

    def test_absent_is_none(self, store: Store) -> None:
        """A key that was never written reads as None."""
        assert store.get("never") is None
        assert list(store.keys()) == []

    @pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{len(value)} bytes")
    def test_values_come_back(self, store: Store, value: bytes) -> None:
        """A value is read as it was written, byte for byte, however it was written."""
        store.add("replaced", b"before")
        assert store.add("added", value) is True
        store.put("put", value)
        assert store.replace("replaced", value, expected=b"before") is True
        assert [store.get(key) for key in ("added", "put", "replaced")] == [value] * 3

    def test_the_first_add_wins(self, store: Store) -> None:
        """A record that is there is not overwritten by add, and the caller learns it, same bytes or not."""
        assert store.add("key", b"first") is True
        assert store.add("key", b"second") is False
        assert store.add("key", b"first") is False
        assert store.get("key") == b"first"

    def test_add_does_not_overwrite_what_was_put(self, store: Store) -> None:
        """A record is a record, whichever way it came."""
        store.put("key", b"put")
        assert store.add("key", b"added") is False
        assert store.get("key") == b"put"

    def test_replace_compares(self, store: Store) -> None:
        """Replace writes only over what the caller expects, and never creates a record."""
        assert store.replace("key", b"new", expected=b"old") is False
        assert store.replace("key", b"new", expected=b"") is False
        assert store.get("key") is None
        store.add("key", b"old")
        assert store.replace("key", b"new", expected=b"other") is False
        assert store.replace("key", b"new", expected=b"ol") is False
        assert store.get("key") == b"old"
        assert store.replace("key", b"new", expected=b"old") is True
        assert store.replace("key", b"newer", expected=b"old") is False
        assert store.get("key") == b"new"

    def test_the_last_put_wins(self, store: Store) -> None:
        """Put overwrites."""
        store.put("key", b"one")
        store.put("key", b"two")
        assert store.get("key") == b"two"

    def test_delete_is_final_and_idempotent(self, store: Store) -> None:
        """A deleted record is absent; deleting what is not there is no error; the key is free again."""
        store.add("key", b"value")
        store.add("other", b"value")
        store.delete("key")
        store.delete("key")
        assert store.get("key") is None
        assert set(store.keys()) == {"other"}
        assert store.replace("key", b"again", expected=b"value") is False
        assert store.add("key", b"again") is True

    def test_hostile_keys_are_told_apart(self, store: Store) -> None:
        """Any text is a key, different texts are different keys, and keys() gives each back."""
        for number, key in enumerate(HOSTILE_KEYS):
            assert store.add(key, str(number).encode()) is True, key
        assert [store.get(key) for key in HOSTILE_KEYS] == [str(number).encode() for number in range(len(HOSTILE_KEYS))]
        assert set(store.keys()) == set(HOSTILE_KEYS)

    def test_the_healthcheck_leaves_nothing(self, store: Store) -> None:
        """A healthy store says nothing and has no more records afterwards."""
        store.healthcheck()
        assert list(store.keys()) == []

    def test_a_lock_is_no_record(self, store: Store) -> None:
        """Holding a lock makes no record appear, and keeps nobody from reading and writing."""
        with store.lock("key", wait=5):
            assert list(store.keys()) == []
            assert store.add("key", b"value") is True
        assert store.get("key") == b"value"

    def test_a_lock_is_freed_by_an_exception(self, store: Store) -> None:
        """A renewal that fails under the lock does not keep it, and its error comes through as it is."""
        with pytest.raises(ZeroDivisionError), store.lock("key", wait=5):
            _ = 1 / 0
        with store.lock("key", wait=5):
            pass

    def test_a_lock_can_be_tried(self, store: Store) -> None:
        """With no time to wait, a lock that is free is had and one that is held is refused, however often."""

        def claim() -> None:
            with store.lock("key", wait=0):
                pass

        with ThreadPoolExecutor(1) as pool, store.lock("key", wait=0):
            for _ in range(_TIMES):
                with pytest.raises(StoreUnavailable):
                    pool.submit(claim).result(PATIENCE)
        claim()

    def test_repr_shows_no_record(self, store: Store) -> None:
        """Neither keys nor values appear in the repr."""
        store.add("canary-key", b"canary-value")
        assert "canary" not in repr(store)

    # Several at once, where the store can do that.

    def test_many_are_read_as_one_by_one(
        self, store: Store, get_many: Callable[[Sequence[str]], dict[str, Reading]]
    ) -> None:
        """get_many has for each key that it is asked for, written or not, what get returns, and for no other."""
        for number, key in enumerate(HOSTILE_KEYS[::2]):
            store.add(key, VALUES[number % len(VALUES)])
        assert get_many(HOSTILE_KEYS) == {key: store.get(key) for key in HOSTILE_KEYS}
        assert get_many(["a", "a"]) == {"a": store.get("a")}
        assert get_many([]) == {}

    def test_many_are_read_as_they_are_now(
        self, store: Store, get_many: Callable[[Sequence[str]], dict[str, Reading]]
    ) -> None:
        """get_many sees what was written a moment ago, in whichever way, and that something was deleted."""
        store.add("one", b"added")
        store.put("two", b"put")
        assert get_many(["one", "two"]) == {"one": b"added", "two": b"put"}
        store.replace("one", b"replaced", expected=b"added")
        store.delete("two")
        assert get_many(["two", "one"]) == {"one": b"replaced", "two": None}

    # Threads.

    def test_one_of_many_adds_wins(self, store: Store) -> None:
        """Of threads that add the same key at once exactly one succeeds, and all read its value."""
        results = _in_threads(lambda number: add_and_read(store, number))
        winners = [number for number, (won, _) in enumerate(results) if won]
        assert len(winners) == 1
        assert {value for _, value in results} == {b"%d" % winners[0]}

    def test_no_replacement_is_lost(self, store: Store) -> None:
        """Threads that raise one counter by replace lose no step."""
        store.add("counter", b"0")
        _in_threads(lambda number: count_up(store, number, 3))
        assert store.get("counter") == b"%d" % (_THREADS * 3)

    def test_no_reader_sees_half_of_a_record(self, store: Store) -> None:
        """While a record is put and replaced over and over, each reading is one of the values, whole."""
        values = (b"a" * 50_000, b"b" * 100, b"")
        store.put("key", values[0])
        done = threading.Event()

        def write() -> None:
            try:
                for number in range(30):
                    store.put("key", values[number % 3])
            finally:
                done.set()

        with ThreadPoolExecutor(1) as pool:
            writing = pool.submit(write)
            while not done.is_set():
                assert store.get("key") in values
            writing.result(PATIENCE)

    def test_a_lock_excludes_and_gives_up(self, store: Store) -> None:
        """Who waits too long for a lock gets StoreUnavailable, and has it once the holder is done."""

        def claim() -> bool:
            with store.lock("key", wait=0.05):
                return True

        with (
            ThreadPoolExecutor(1) as pool,
            store.lock("key", wait=5),
            pytest.raises(StoreUnavailable, match=r"0\.05 s"),
        ):
            pool.submit(claim).result(PATIENCE)
        assert claim()

    # Processes, and the same storage opened again.

    def test_it_is_there_when_opened_again(self, shared: Store, factory: Factory) -> None:
        """What one object has written, another one on the same storage reads, adds to and compares with."""
        shared.add("added", b"one")
        shared.put("put", b"two")
        again = factory()
        assert (again.get("added"), again.get("put")) == (b"one", b"two")
        assert again.add("added", b"other") is False
        assert again.replace("added", b"three", expected=b"one") is True
        assert shared.get("added") == b"three"
        assert set(shared.keys()) == set(again.keys()) == {"added", "put"}

    @pytest.mark.parametrize("method", ["spawn", pytest.param("fork", marks=needs_fork)])
    def test_one_of_many_processes_wins(self, shared: Store, factory: Factory, method: str) -> None:
        """Of processes that add the same key at once exactly one succeeds, and all read its value."""
        results = race(method, add_and_read, factory, _PROCESSES)
        winners = [number for number, (won, _) in enumerate(results) if won]
        assert len(winners) == 1
        assert {value for _, value in results} == {b"%d" % winners[0]} == {shared.get("wanted")}

    @needs_fork
    def test_no_replacement_is_lost_between_processes(self, shared: Store, factory: Factory) -> None:
        """Processes that raise one counter by replace lose no step."""
        shared.add("counter", b"0")
        race("fork", count_up, factory, _PROCESSES, _TIMES)
        assert shared.get("counter") == b"%d" % (_PROCESSES * _TIMES)

    @needs_fork
    def test_a_lock_excludes_other_processes(self, shared: Store, factory: Factory, tmp_path: Path) -> None:
        """Whoever is under the lock is alone there, among processes as well."""
        journal = tmp_path / "journal"
        race("fork", enter_and_leave, factory, _PROCESSES, _TIMES, str(journal))
        lines = journal.read_text().splitlines()
        assert len(lines) == 2 * _PROCESSES * _TIMES
        pairs = zip(lines[::2], lines[1::2], strict=True)
        assert all(enter.replace("enter", "leave") == leave for enter, leave in pairs)

    @needs_fork
    def test_it_works_on_both_sides_of_a_fork(self, shared: Store) -> None:
        """After a fork parent and child go on using the very same object, and see what the other one wrote."""
        shared.add("before", b"fork")

        def child() -> None:
            assert shared.get("before") == b"fork"
            for number in range(_TIMES):
                assert shared.add(f"child {number}", b"value")
            with shared.lock("key", wait=PATIENCE):
                shared.put("under the lock", b"value")

        with forked(child):
            for number in range(_TIMES):
                assert shared.add(f"parent {number}", b"value")
        assert len(set(shared.keys())) == 2 * _TIMES + 2
        assert shared.get(f"child {_TIMES - 1}") == b"value"

    # Hooks: what cannot be done to a store from outside, unless you say how.

    def damage(self, store: Store, key: str, content: bytes) -> None:
        """Put *content* in the place of the stored form of the record under *key*, behind the store's back."""
        pytest.skip("the hook 'damage' is not overridden: nobody knows how to damage a record of this store")

    def losing_the_answer(self, store: Store) -> AbstractContextManager[Any]:
        """Return a context in which the next write is carried out but its confirmation does not arrive."""
        pytest.skip("the hook 'losing_the_answer' is not overridden: a write of this store has no answer to lose")

    @pytest.mark.parametrize("content", [b"", b"garbage", b"\x80\x05K\x01.", b"{}"], ids=repr)
    def test_damage_is_not_absence(self, store: Store, content: bytes) -> None:
        """A damaged record is an error or other bytes, never None, and nobody's add takes its place."""
        store.add("key", b"value")
        self.damage(store, "key", content)
        assert _outcome(lambda: store.get("key")) is not None
        assert _outcome(lambda: store.add("key", b"another")) is not True
        assert _outcome(lambda: store.get("key")) != b"another"

    def test_damage_of_one_hides_no_other(
        self, store: Store, get_many: Callable[[Sequence[str]], dict[str, Reading]]
    ) -> None:
        """For a damaged record get_many has an error or other bytes, never None, and the others as they are."""
        for key in ("key", "other"):
            store.add(key, b"value")
        self.damage(store, "key", b"garbage")
        found = get_many(["absent", "key", "other"])
        assert isinstance(found["key"], bytes | StoreError)
        assert (found["absent"], found["other"]) == (None, b"value")

    def test_it_works_again_after_it_was_closed(self, store: Store) -> None:
        """Where a store can be closed, at the end of a ``with`` as well, its next use opens it again."""
        close = getattr(store, "close", None)
        if close is None:
            pytest.skip("the store has no close(): nothing of it stays open")
        store.add("key", b"value")
        close()
        close()
        assert store.get("key") == b"value"
        with store:  # type: ignore[attr-defined]  # what can be closed is a context as well
            assert store.add("another", b"value")
        assert store.get("another") == b"value"

    def test_a_lost_answer_is_resolved(self, store: Store) -> None:
        """When a write was carried out but not confirmed, the caller hears that it was, or of an error; never "no"."""
        with self.losing_the_answer(store):
            added = _outcome(lambda: store.add("key", b"value"))
        assert added is True or isinstance(added, StoreError)
        assert store.get("key") == b"value"
        with self.losing_the_answer(store):
            replaced = _outcome(lambda: store.replace("key", b"new", expected=b"value"))
        assert replaced is True or isinstance(replaced, StoreError)
        assert store.get("key") == b"new"


def _in_threads(work: Callable[[int], Any]) -> list[Any]:
    barrier = threading.Barrier(_THREADS)

    def run(number: int) -> Any:
        barrier.wait(PATIENCE)
        return work(number)

    with ThreadPoolExecutor(_THREADS) as pool:
        return list(pool.map(run, range(_THREADS)))


def _outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except StoreError as error:
        return error
