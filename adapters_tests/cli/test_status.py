"""What ``dcrauth status`` reports of a store, and that it takes nothing unreadable for absent."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from adapters_tests.cli import goldens, samples
from adapters_tests.engine.test_transfer import filled, identity, pair
from dcrauth import (
    AccessToken,
    ClientCredentials,
    EncryptedStore,
    FileStore,
    MemoryStore,
    RedisStore,
    SQLiteStore,
    Store,
    StoreUnavailable,
)
from dcrauth.cli import status
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.lines import plain
from dcrauth.cli.store_reading import read_identity, read_report
from dcrauth.cli.stored import Named, StoredIdentity, StoredReport
from dcrauth.engine.identity import Identity
from dcrauth.engine.records import (
    UnusableRegistration,
    write_credentials,
    write_forgotten,
    write_token,
    write_unusable,
)

NOW = 1_000_000.0
SCHEMAS = Path(__file__).parents[2] / "docs" / "schemas"
DIGEST = "d" * 64


def named(number: int) -> Named:
    return Named(identity(number), "app", f"instance {number}", DIGEST)


def shown(report: StoredReport, **options: Any) -> str:
    return "\n".join(map(plain, status.lines_of(report, **options)))


def valid(value: dict[str, Any], schema: str) -> dict[str, Any]:
    """Return *value* as JSON has it, once it fits the schema of the docs."""
    found: dict[str, Any] = json.loads(json.dumps(value))
    jsonschema.validate(found, json.loads((SCHEMAS / f"{schema}.json").read_text()))
    return found


def one(store: Store, number: int = 0, now: float = NOW) -> StoredIdentity:
    """Return what the report says of one identity, which it says of it alone as well."""
    report = read_report(store, now, named(number))
    valid(report.to_dict(), "status")
    found = report.identities[0]
    if not (found.kept_aside or found.further_tokens):  # which is read from what is listed
        assert read_identity(store, now, named(number)) == found
    return found


@pytest.fixture(params=["memory", "file", "sqlite", "encrypted", "redis"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """Stores of each kind."""
    kinds: dict[str, Callable[[], Store]] = {
        "memory": MemoryStore,
        "file": lambda: FileStore(tmp_path / "store"),
        "sqlite": lambda: SQLiteStore(tmp_path / "store.db"),
        "redis": lambda: RedisStore(request.getfixturevalue("redis_server").url, prefix=f"{tmp_path}:"),
        "encrypted": lambda: EncryptedStore(MemoryStore(), keys=[b"k" * 32]),
    }
    return kinds[request.param]()


def test_all_identities_are_told(store: Store) -> None:
    """Each identity has its client and its token; that of the settings comes first, and alone has names."""
    report = read_report(filled(store), NOW, named(1))
    assert [each.configured for each in report.identities] == [True, False, False]
    assert {each.identity for each in report.identities} == {identity(number).key for number in range(3)}
    first = report.identities[0]
    assert (first.application, first.instance) == ("app", "instance 1")
    assert (first.client.client_id, first.client.registered_at) == ("client-1", 1.0)
    assert (first.token.word, first.token.expires_at) == ("expired", 2.0)
    assert {each.instance for each in report.identities[1:]} == {None}
    assert report.exit_status == 0
    valid(report.to_dict(), "status")


def test_an_empty_store_has_the_identity_of_the_settings(store: Store) -> None:
    """What the settings name is told to be absent, and nothing is made in the store."""
    found = one(store)
    assert (found.client.word, found.token.word, found.last_error) == ("absent", "absent", None)
    assert read_report(store, NOW).identities == ()
    text = shown(read_report(store, NOW, named(0)))
    assert "not registered yet" in text
    assert "nothing is stored here" in text
    assert "1 identity" not in text


def test_a_store_that_is_not_there_is_not_made(tmp_path: Path) -> None:
    """To ask how it stands makes no file."""
    for made in (FileStore(tmp_path / "store"), SQLiteStore(tmp_path / "store.db")):
        assert read_report(made, NOW, named(0)).exit_status == 0
    assert list(tmp_path.iterdir()) == []


def test_what_was_replaced_and_deleted_is_told() -> None:
    """Pairs that were kept aside are listed; one that was deleted on purpose is not taken for absent."""
    store = filled(MemoryStore(), 1)
    aside = identity(0).replaced(1)
    store.add(aside, write_credentials(aside, pair(0, "old")).data)
    store.add(identity(1).credentials, write_forgotten(identity(1).credentials, 2, NOW).data)
    (old,) = one(store).kept_aside
    assert (old.key, old.client_id) == ("replaced-1", "old-0")
    assert one(store, 1).client.word == "forgotten"
    assert "deleted on purpose" in shown(read_report(store, NOW))


def test_a_client_that_was_put_back_in_use_is_told_once() -> None:
    """What is kept aside is told but for the pair in use, each pair once; an earlier secret of it is another pair."""
    store = MemoryStore()
    present, former = pair(0, "first"), pair(0, "second")
    store.add(identity(0).credentials, write_credentials(identity(0).credentials, present, 3).data)
    earlier = ClientCredentials(present.client_id, "its secret of before", registered_at=1.0)
    for place, kept in enumerate([present, former, former, earlier], start=1):
        store.add(identity(0).replaced(place), write_credentials(identity(0).replaced(place), kept).data)
    told = [(each.key, each.client_id) for each in one(store).kept_aside]
    assert told == [("replaced-2", former.client_id), ("replaced-4", present.client_id)]


def test_each_token_of_a_client_is_told(store: Store) -> None:
    """Tokens of other scopes stand below their identity, with a digest of these; that of the settings comes first."""
    scoped = Identity(identity(0).key, "5c09e0fcf00d0001")
    filled(store, 1)
    store.put(scoped.token, write_token(scoped.token, AccessToken("canary", 1.0, NOW + 9, scope="read films")))
    found = one(store)
    assert (found.token.word, found.token.key) == ("expired", "token")
    assert [(each.key, each.word) for each in found.further_tokens] == [("token-5c09e0fcf00d0001", "ok")]
    report = read_report(store, NOW, Named(scoped, "app", "default", DIGEST, asks_for="scope 'read'"))
    valid(report.to_dict(), "status")
    (first,) = report.identities
    assert (first.token.key, first.token.asked_for) == ("token-5c09e0fcf00d0001", "scope 'read'")
    assert [each.key for each in first.further_tokens] == ["token"]
    text = shown(report)
    assert "scope 'read': ends in 9 s" in text
    assert "it was granted for read films" in " ".join(text.split())
    assert (first.token.scope, first.further_tokens[0].scope) == ("read films", None)
    assert "canary" not in text + json.dumps(report.to_dict())
    assert "scope set 5c09e0fc: ends in 9 s" in shown(read_report(store, NOW, named(0)))


def test_tokens_of_a_client_that_is_given_are_told(store: Store) -> None:
    """A client that a program is given has no record; its tokens have, and are no client that is not registered."""
    scoped = Identity(identity(0).key, "5c09e0fcf00d0001")
    store.put(scoped.token, write_token(scoped.token, AccessToken("canary", 1.0, NOW + 9)))
    report = read_report(store, NOW)
    assert [each.key for each in report.identities[0].further_tokens] == ["token-5c09e0fcf00d0001"]
    text = shown(report)
    assert "1 identity" in text
    assert "not stored, as is one that a program is given" in text
    assert "not registered" not in text
    given = read_report(store, NOW, Named(scoped, "app", "default", DIGEST, given_id="reports-of-mia"))
    assert valid(given.to_dict(), "status")["identities"][0]["client"]["word"] == "given"
    assert "reports…, given by the settings, and so not stored" in shown(given)
    assert "reports-of-mia" not in shown(given) + repr(given)


@pytest.mark.parametrize(
    ("noted_at", "digest", "stands"),
    [(NOW - 3600, DIGEST, True), (NOW - 90_000, DIGEST, False), (NOW - 3600, "e" * 64, False)],
    ids=["lately", "long ago", "of another statement"],
)
def test_the_note_of_an_unusable_registration_is_the_last_error(noted_at: float, digest: str, stands: bool) -> None:
    """A note in the store says what stands against a registration, and until when, as far as it counts."""
    store = MemoryStore()
    key = identity(0).registration
    store.put(key, write_unusable(key, UnusableRegistration(noted_at, digest, 200)))
    found = one(store)
    assert (found.last_error is not None) == stands
    assert found.retry_at == (noted_at + 86_400 if stands else None)
    assert ("HTTP 200" in shown(read_report(store, NOW, named(0)))) == stands


def damaged(store: MemoryStore, key: str) -> None:
    store._records[key] = b"nonsense"


def test_a_damaged_record_is_not_taken_for_absent() -> None:
    """It is not readable, the others are told all the same, and nobody is advised to register."""
    store = MemoryStore()
    filled(store)
    damaged(store, identity(0).credentials)
    report = read_report(store, NOW, named(0))
    assert report.identities[0].client.word == "not readable"
    assert report.exit_status == ExitCode.STORE
    assert [each.client.word for each in report.identities[1:]] == ["ok", "ok"]
    text = shown(report)
    assert "damaged" in text
    assert "regist" not in text.replace("registered", "")
    valid(report.to_dict(), "status")


def test_a_damaged_token_is_told() -> None:
    """A token that cannot be read is told as that."""
    store = MemoryStore()
    filled(store)
    damaged(store, identity(0).token)
    assert one(store).token.word == "not readable"


class Locked(MemoryStore):
    """A store whose keys can be listed, and whose records cannot be read, as with a keyring that is locked."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0

    def get(self, key: str) -> bytes | None:
        self.asked += 1
        raise StoreUnavailable("The keyring did not answer within 3 s; unlock it")


def test_a_locked_keyring_is_asked_once() -> None:
    """Each question may take seconds: once there is no answer, none is asked again, and all is not readable."""
    store = Locked()
    for number in range(5):
        key = identity(number).credentials
        store.add(key, write_credentials(key, pair(number)).data)
    report = read_report(store, NOW)
    assert {each.client.word for each in report.identities} == {"not readable"}
    assert len(report.identities) == 5
    assert (store.asked, report.exit_status) == (1, ExitCode.STORE)


def test_a_store_that_is_open_to_all_is_not_readable(tmp_path: Path) -> None:
    """A store that refuses to be read is told as that, and its records are not taken for absent."""
    filled(FileStore(tmp_path / "store"))
    (tmp_path / "store").chmod(0o777)
    report = read_report(FileStore(tmp_path / "store"), NOW, named(0))
    assert (report.word, report.exit_status) == ("not readable", ExitCode.STORE)
    assert report.identities[0].client.word == "not readable"
    assert "open to others" in shown(report)
    assert "not registered" not in shown(report)


class Unlisted(MemoryStore):
    """A store whose keys cannot all be listed."""

    def keys(self) -> Iterator[str]:
        yield from super().keys()
        raise StoreUnavailable("/srv/store/records/0a cannot be read: Permission denied")


def test_what_cannot_be_listed_is_told() -> None:
    """What was found is told along with the reason why there may be more."""
    report = read_report(filled(Unlisted()), NOW)
    assert (len(report.identities), report.exit_status) == (3, ExitCode.STORE)
    assert "Permission denied" in shown(report)
    valid(report.to_dict(), "status")


def test_many_identities_are_read_in_a_few_goes() -> None:
    """A thousand records take a handful of calls, and each is told."""
    calls: list[int] = []

    class Counted(MemoryStore):
        def get_many(self, keys: Any) -> Any:
            calls.append(len(keys))
            return super().get_many(keys)

        def get(self, key: str) -> bytes | None:
            return super().get(key)

    store = filled(Counted(), 300)
    calls.clear()
    assert len(read_report(store, NOW).identities) == 300
    assert len(calls) <= 5


@pytest.mark.parametrize("as_json", [False, True], ids=["text", "json"])
def test_it_is_shown_again_and_again(as_json: bool) -> None:
    """With a pause between them, as often as is asked for; in JSON each is one line."""
    store = filled(MemoryStore(), 1)
    moments = iter([NOW, NOW + 5, NOW + 10])
    lines: list[str] = []
    written: list[str] = []
    pauses: list[float] = []
    status_of = status.run(
        lambda: read_report(store, next(moments)),
        status.Shown(as_json=as_json, every=5.0, times=3),
        lambda shown: lines.extend(map(plain, shown)),
        written.append,
        pauses.append,
    )
    assert (status_of, pauses) == (0, [5.0, 5.0])
    assert [json.loads(each)["at"] for each in written] == ([NOW, NOW + 5, NOW + 10] if as_json else [])
    assert len([line for line in lines if line.startswith("Store")]) == (0 if as_json else 3)


def test_it_is_shown_once_unless_asked() -> None:
    """Without a pause there is one report, and nothing waits."""
    read: list[float] = []

    def once() -> StoredReport:
        read.append(NOW)
        return read_report(MemoryStore(), NOW)

    assert status.run(once, status.Shown(), list, str, read.append) == 0
    assert read == [NOW]


def test_no_secret_is_in_a_report() -> None:
    """Neither a secret nor a token is in the text, the JSON or the repr; the client id only if it is asked for."""
    store = MemoryStore()
    key = identity(0)
    store.add(key.credentials, write_credentials(key.credentials, pair(0, "client-canary-id")).data)
    store.put(key.token, write_token(key.token, AccessToken("canary-token", 1.0, NOW + 9)))
    report = read_report(store, NOW, named(0))
    for text in (shown(report), json.dumps(report.to_dict()), repr(report)):
        assert "canary" not in text
        assert "secret-0" not in text
    assert "client-canary-id-0" in shown(report, reveal=True)
    assert report.to_dict(reveal=True)["identities"][0]["client"]["client_id"] == "client-canary-id-0"


def test_the_words_of_the_schema_are_those_of_the_code() -> None:
    """A sample with every word fits the schema, and one with another word does not."""
    found = valid(samples.REPORT.to_dict(), "status")
    found["identities"][0]["client"]["word"] = "gone"
    with pytest.raises(jsonschema.ValidationError):
        valid(found, "status")


@pytest.mark.parametrize("path", goldens.printed(), ids=lambda path: path.name)
def test_the_output_is_as_it_was_read(path: Path) -> None:
    """What is printed at 80 columns is what somebody has read; if not: python -m adapters_tests.cli.goldens."""
    assert goldens.printed()[path] == path.read_text(encoding="utf-8")


def test_no_line_is_too_long_and_nothing_rules_the_terminal() -> None:
    """At 80 columns no line is longer, and what came from outside stands there as text, its escapes visible."""
    for path, text in goldens.printed().items():
        if path.suffix == ".txt":
            assert max(map(len, text.splitlines())) <= 80
            assert text.replace("\n", "").isprintable()
    whole = goldens.printed()[goldens.FOLDER / "status.txt"]
    assert all(part in whole for part in ("[red]kitchen[/b]", r"\x1b[2J", r"\x07", r"\u200f", "[link=https://evil"))


class Away(MemoryStore):
    """A store that does not answer."""

    def keys(self) -> Iterator[str]:
        raise StoreUnavailable("The store cannot list the records: away")

    def get(self, key: str) -> bytes | None:
        raise StoreUnavailable("The store cannot read: away")


def test_identities_of_a_store_that_is_away_are_not_counted() -> None:
    """Nobody knows how many there are, and so no number is told; what is looked for is told as not readable."""
    for asked in (named(0), None):
        report = read_report(Away(), NOW, asked)
        told = shown(report)
        assert report.exit_status == ExitCode.STORE
        assert "nothing could be read" in told
        assert "1 identity" not in told
    assert "not readable: The store cannot read: away" in shown(read_report(Away(), NOW, named(0)))
