"""Every decision, as a table of values."""

from __future__ import annotations

from email.utils import formatdate
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_tests.common.secrets import jwt
from dcrauth import (
    AccessToken,
    ClientCredentials,
    ConfigurationError,
    CredentialsRejected,
    DCRAuthError,
    Policy,
    RegistrationRejected,
    ServerUnavailable,
    Throttled,
)
from dcrauth.engine import rules, token_life, token_refused
from dcrauth.engine.instant import Instant
from dcrauth.engine.records import UnusableRegistration
from dcrauth.engine.rules import Course
from dcrauth.providers.protocol import Problem, TokenGrant, Verdict

POLICY = Policy()
NOW = Instant(wall=1_000_000.0, monotonic=500.0)


def token(life: float, age: float = 0.0, value: str = "t", *, after_refusal: bool = False) -> AccessToken:
    return AccessToken(value, NOW.wall - age, NOW.wall - age + life, after_refusal)


@pytest.mark.parametrize(
    ("life", "early", "late"),
    [(21_600, 900, 60), (86_400, 900, 60), (3_600, 720, 60), (600, 120, 60), (100, 20, 10), (1, 0.2, 0.1)],
)
def test_windows_follow_the_life_of_a_token(life: float, early: float, late: float) -> None:
    """A token is due for the last 15 minutes or 20 % of its life, and mandatory for the last minute or 10 %."""
    assert token_life.early(life, POLICY) == pytest.approx(early)
    assert token_life.late(life, POLICY) == pytest.approx(late)


@given(life=st.floats(1, 1e6), chance=st.floats(0, 1, exclude_max=True))
def test_the_due_moment_lies_between_the_windows(life: float, chance: float) -> None:
    """However the lot falls, a token is due after the window opens and before a renewal is mandatory."""
    held = token_life.held(token(life), NOW, chance, POLICY)
    assert NOW.wall + life - token_life.early(life, POLICY) - 0.01 <= held.due.wall <= held.mandatory.wall + 0.01
    assert held.mandatory.wall <= held.expiry.wall


def test_the_lot_places_the_due_moment() -> None:
    """The lowest lot makes a token due as early as can be, the highest half-way to where it is mandatory."""
    assert token_life.held(token(21_600), NOW, 0.0, POLICY).due.wall == NOW.wall + 21_600 - 900
    assert token_life.held(token(21_600), NOW, 1.0, POLICY).due.wall == NOW.wall + 21_600 - (900 + 60) / 2


@pytest.mark.parametrize(
    ("life", "due", "mandatory", "expiry"),
    [(100, 80, 90, 100), (0.5, 0.4, 0.45, 0.5), (0, 0, 0, 0), (-5, -5, -5, -5)],
)
def test_the_moments_of_a_token_follow_each_other(life: float, due: float, mandatory: float, expiry: float) -> None:
    """However short a token's life is, or even negative, no moment of it comes before an earlier one."""
    held = token_life.held(token(life), NOW, 0.0, POLICY)
    moments = [each.monotonic - NOW.monotonic for each in (held.due, held.mandatory, held.expiry)]
    assert moments == pytest.approx([due, mandatory, expiry])


@pytest.mark.parametrize(
    ("seconds", "blocked", "expected"),
    [
        (0, False, Course.USE),
        (21_600 - 901, False, Course.USE),
        (21_600 - 899, False, Course.USE_AND_RENEW),
        (21_600 - 899, True, Course.USE),
        (21_600 - 59, False, Course.WAIT),
        (21_600 - 59, True, Course.USE),
        (21_600, False, Course.WAIT),
        (21_600, True, Course.FAIL),
    ],
)
def test_the_course_of_a_caller(seconds: float, blocked: bool, expected: Course) -> None:
    """Fresh: use. Due: use and renew. Else wait. While no renewal may start: use what lives, else fail."""
    held = token_life.held(token(21_600), NOW, 0.0, POLICY)
    assert rules.course(held, None, NOW.later(seconds), blocked, POLICY) is expected


@pytest.mark.parametrize(("after_refusal", "seconds"), [(False, 60.0), (True, 21_600.0 - 900)])
def test_a_token_is_due_early_for_the_sake_of_a_secret(after_refusal: bool, seconds: float) -> None:
    """A moment that comes before its own makes it due, unless a refusal has brought it: that one stays."""
    held = token_life.held(token(21_600, after_refusal=after_refusal), NOW, 0.0, POLICY)
    assert held.due_by(NOW.later(60.0)).due.wall == NOW.wall + seconds
    assert held.due_by(NOW.later(1e6)) == held == held.due_by(None)


def test_without_a_token_a_caller_waits_or_fails() -> None:
    """With nothing in hand there is only waiting, or failing while no renewal may start."""
    assert rules.course(None, None, NOW, False, POLICY) is Course.WAIT
    assert rules.course(None, None, NOW, True, POLICY) is Course.FAIL


@pytest.mark.parametrize(
    ("refused", "after_refusal", "seconds", "blocked", "expected"),
    [
        ("t", False, 0, False, Course.WAIT),
        ("t", False, 0, True, Course.FAIL),
        ("t", True, 0, False, Course.USE),
        ("t", True, 9, False, Course.USE),
        ("t", True, 9, True, Course.USE),
        ("t", True, 11, False, Course.WAIT),
        ("t", True, 11, True, Course.FAIL),
        ("another", True, 11, False, Course.USE),
        ("another", False, 21_600 - 899, False, Course.USE_AND_RENEW),
    ],
)
def test_the_course_after_a_refusal(
    refused: str, after_refusal: bool, seconds: float, blocked: bool, expected: Course
) -> None:
    """A refused token is renewed whatever its age, unless a refusal has brought it in the last 10 s."""
    held = token_life.held(token(21_600, after_refusal=after_refusal), NOW, 0.0, POLICY)
    assert rules.course(held, token(21_600, value=refused), NOW.later(seconds), blocked, POLICY) is expected


@pytest.mark.parametrize(
    ("age", "seconds", "expected"), [(9, 0, True), (9, 2, False), (11, 0, False), (-200, 9, True), (-200, 11, False)]
)
def test_a_token_is_spared_by_its_own_age(age: float, seconds: float, expected: bool) -> None:
    """What counts is when a token was granted, by whichever process; one of the future is as old as we know it."""
    held = token_life.held(token(21_600, age, after_refusal=True), NOW, 0.0, POLICY)
    assert token_refused.is_spared(held, NOW.later(seconds), POLICY) is expected


@pytest.mark.parametrize(("wall", "monotonic", "reached"), [(0, 0, False), (1, 0, True), (0, 1, True), (-9, 1, True)])
def test_the_earlier_clock_wins(wall: float, monotonic: float, reached: bool) -> None:
    """A moment is reached as soon as either clock says so, whichever way the other was set."""
    moment = NOW.later(1)
    assert moment.reached(Instant(NOW.wall + wall, NOW.monotonic + monotonic)) is reached


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (token(21_600, value="new"), True),
        (token(21_600, value="old"), False),
        (token(21_600, age=21_600 - 61, value="new"), True),
        (token(21_600, age=21_600 - 59, value="new"), False),
        (token(21_600, age=30_000, value="new"), False),
        (token(21_600, age=-300, value="new"), True),
        (token(21_600, age=-400, value="new"), False),
    ],
)
def test_which_stored_token_is_adopted(stored: AccessToken, expected: bool) -> None:
    """A peer's token is adopted if it is another one, has time left, and was not written in the future."""
    assert rules.adoptable(stored, token(1, value="old"), NOW, POLICY) is expected


@pytest.mark.parametrize(
    ("expires_in", "life"),
    [
        (21_600, 21_600),
        ("21600", 21_600),
        (" 3600.5 ", 3_600.5),
        ("", 300),
        ("1e4", 300),
        (3_600.5, 3_600.5),
        (1, 1.0),
        (0.5, 300.0),
        (5e-324, 300.0),
        (None, 300),
        (0, 300),
        (-1, 300),
        (True, 300),
        (float("nan"), 300),
        (float("inf"), 300),
        (366 * 86_400, 366 * 86_400),
        (366 * 86_400 + 1, 300),
        (10**18, 300),
        ("soon", 300),
        ("9" * 5000, 300),
        ([], 300),
    ],
)
def test_the_life_of_a_token(expires_in: object, life: float) -> None:
    """expires_in counts if it is a number of seconds that makes sense; else an opaque token gets five minutes."""
    found = token_life.granted(TokenGrant("opaque", expires_in), NOW, POLICY)
    assert found.life == pytest.approx(life)
    assert found.obtained_at == NOW.wall


@pytest.mark.parametrize(
    ("claims", "life"),
    [
        ({"iat": 100, "exp": 21_700}, 21_600),
        ({"exp": 5}, 300),
        ({"exp": 1_000_600}, 600),
        ({"exp": 1_000_600, "iat": "a"}, 600),
        ({"exp": 1_000_000 + 400 * 86_400}, 300),
        ({"iat": 9, "exp": 5}, 300),
        ({"iat": "a", "exp": []}, 300),
    ],
)
def test_a_jwt_tells_its_own_life(claims: dict[str, Any], life: float) -> None:
    """Without a usable expires_in, the span from iat to exp counts, whatever our own clock says; or from now on."""
    assert token_life.granted(TokenGrant(jwt(**claims)), NOW, POLICY).life == pytest.approx(life)


def test_the_end_of_a_jwt_is_by_the_servers_clock() -> None:
    """Where there is no iat, what is known of the difference between the clocks corrects ours."""
    grant = TokenGrant(jwt(exp=NOW.wall + 600))
    assert token_life.granted(grant, NOW, POLICY, skew=100.0).life == pytest.approx(700)


@pytest.mark.parametrize(
    ("retry_after", "expires", "wait"),
    [
        (None, None, 1),
        ("7", None, 7),
        ("0", None, 1),
        (" 7.25 ", None, 7.25),
        ("0.5", None, 1),
        ("1e3", None, 1),
        ("7.", None, 1),
        ("nan", None, 1),
        ("\u0667", None, 1),
        ("-5", None, 1),
        ("soon", None, 1),
        ("999999999", None, 3_600),
        ("9" * 19, None, 3_600),
        ("9" * 20, None, 1),
        (formatdate(NOW.wall + 30, usegmt=True), None, 30),
        (formatdate(NOW.wall, usegmt=True), None, 1),
        (formatdate(NOW.wall - 30, usegmt=True), None, 1),
        (None, formatdate(NOW.wall + 60, usegmt=True), 60),
        ("7", formatdate(NOW.wall + 60, usegmt=True), 7),
        (None, "0", 1),
    ],
)
def test_how_long_a_throttled_client_waits(retry_after: str | None, expires: str | None, wait: float) -> None:
    """Retry-After counts, else Expires, else a second and a bit, never less; nonsense is passed over, as are years."""
    problem = Problem("", 429, retry_after=retry_after, expires=expires)
    assert rules.pause(problem, 1, NOW, 0.0, POLICY) == pytest.approx(wait)


@pytest.mark.parametrize(
    ("status", "headers", "wait"),
    [
        (429, {"rate_limit_reset": "30"}, 30),
        (429, {"rate_limit_reset": "30.5"}, 30.5),
        (429, {"rate_limit_reset": "0"}, 1),
        (429, {"rate_limit_reset": "1000000030"}, 30),
        (429, {"rate_limit_reset": "999999970"}, 3_600),
        (429, {"rate_limit_reset": "1000000000"}, 1),
        (429, {"rate_limit_reset": "1000000030000"}, 3_600),
        (429, {"rate_limit_reset": "soon"}, 1),
        (429, {"rate_limit_reset": "30", "retry_after": "7"}, 7),
        (429, {"rate_limit_reset": "30", "retry_after": "soon"}, 30),
        (503, {"rate_limit_reset": "30"}, 0),
    ],
)
def test_a_rate_limit_that_names_its_end(status: int, headers: dict[str, str], wait: float) -> None:
    """Where a 429 has no Retry-After, X-RateLimit-Reset says it, as a wait or as a moment; elsewhere it is no news."""
    moment = Instant(1_000_000_000.0, 500.0)
    assert rules.pause(Problem("", status, **headers), 1, moment, 0.0, POLICY) == pytest.approx(wait)


def test_backoff_grows_with_full_jitter() -> None:
    """After transient faults the wait is drawn between nothing and a bound that doubles, up to a minute."""
    problem = Problem("", 503)
    assert [rules.pause(problem, n, NOW, 1.0, POLICY) for n in (1, 2, 3, 20)] == [1, 2, 4, 60]
    assert rules.pause(problem, 3, NOW, 0.0, POLICY) == 0
    assert rules.pause(Problem("", 503, retry_after="9"), 1, NOW, 0.0, POLICY) == 9


@pytest.mark.parametrize("status", [429, 503])
def test_what_a_server_asks_for_comes_with_jitter(status: int) -> None:
    """A wait that was asked for is up to a quarter longer, never shorter: not all who were told so come at once."""
    problem = Problem("", status, retry_after="20")
    assert [rules.pause(problem, 1, NOW, chance, POLICY) for chance in (0.0, 0.5, 1.0)] == [20, 22.5, 25]


@pytest.mark.parametrize("told", [20.0, 3_600.0])
def test_the_next_try_keeps_the_jitter(told: float) -> None:
    """What callers are told as the moment of the next try is the moment with its jitter, also for the longest wait."""
    error = Throttled("too many", retry_at=NOW.wall + 1.25 * told)
    assert rules.next_try(error, 1, NOW, 0.0, POLICY).wall == NOW.wall + 1.25 * told


def test_what_is_waited_for_on_a_worker() -> None:
    """Up to a second is waited for where it comes up; what takes longer is parked."""
    assert [rules.is_parked(seconds) for seconds in (0.0, 1.0, 1.001)] == [False, False, True]


def test_a_lock_is_tried_ever_more_seldom() -> None:
    """The pauses between two tries of a lock grow from a twentieth of a second to two, with jitter."""
    pauses = [[rules.next_lock_try(tries, chance) for tries in (1, 2, 5, 7, 100)] for chance in (0.0, 1.0)]
    assert pauses == [[0.05, 0.05, 0.4, 1.0, 1.0], [0.05, 0.1, 0.8, 2.0, 2.0]]


@pytest.mark.parametrize(
    ("problem", "attempt", "at", "expected"),
    [
        (Problem("", 503), 1, 10, True),
        (Problem("", 429), 2, 10, True),
        (Problem("", 503), 3, 10, False),
        (Problem("", 503), 1, 30, False),
        (Problem("", 400, "invalid_request", oauth=True), 1, 10, False),
        (Problem("", 400, "invalid_request"), 1, 10, True),
        (Problem("", 403, "Forbidden", oauth=True), 1, 10, True),
        (Problem("", 201, carried_out=True), 1, 10, False),
        (Problem("", 201), 1, 10, True),
        (Problem("", 400, "invalid_client", oauth=True), 1, 10, False),
    ],
)
def test_when_another_call_is_worth_it(problem: Problem, attempt: int, at: float, expected: bool) -> None:
    """Three attempts, within the time there is, and only after faults that may pass."""
    assert rules.worth_another(problem, attempt, at, 30, POLICY) is expected


@pytest.mark.parametrize(
    ("error", "failures", "wait"),
    [
        (ServerUnavailable(""), 1, 0.75),
        (ServerUnavailable(""), 3, 3),
        (ServerUnavailable(""), 50, 45),
        (ServerUnavailable(""), 5_000, 45),
        (ServerUnavailable("", retry_at=NOW.wall + 500), 1, 500),
        (RegistrationRejected(""), 1, 300),
        (CredentialsRejected(""), 1, 300),
        (RegistrationRejected("", retry_at=NOW.wall + 60), 1, 60),
        (RegistrationRejected("", retry_at=NOW.wall + 9_000), 1, 300),
        (RegistrationRejected("", retry_at=NOW.wall - 60), 1, 1),
        (ConfigurationError(""), 1, 0),
    ],
)
def test_when_the_next_renewal_may_start(error: DCRAuthError, failures: int, wait: float) -> None:
    """After a "no" in five minutes; after anything else with growing distance, and not before the server allows it."""
    assert rules.next_try(error, failures, NOW, 0.5, POLICY).wall - NOW.wall == pytest.approx(wait)


@pytest.mark.parametrize(
    ("refused", "seconds", "expected"),
    [
        (None, 21_599, True),
        (None, 21_600, False),
        ("t", 0, False),
        ("another", 21_599, True),
        ("another", 21_600, False),
    ],
)
def test_which_token_stands_in_for_a_new_one(refused: str | None, seconds: float, expected: bool) -> None:
    """A caller whose renewal failed gets the token in hand while it lives, unless it is the one that was refused."""
    held = token_life.held(token(21_600), NOW, 0.0, POLICY)
    spoiled = None if refused is None else token(21_600, value=refused)
    assert rules.can_stand_in(held, spoiled, NOW.later(seconds)) is expected


@pytest.mark.parametrize(
    ("age", "digest", "expected"),
    [
        (0, "d", True),
        (86_399, "d", True),
        (86_400, "d", False),
        (-299, "d", True),
        (-301, "d", False),
        (0, "another", False),
    ],
)
def test_for_how_long_a_registration_stands_against_another(age: float, digest: str, expected: bool) -> None:
    """A registration in vain counts for a day and for the same statement, unless it seems to be of the future."""
    assert rules.is_barred(UnusableRegistration(NOW.wall - age, "d", 201), digest, NOW) is expected
    assert rules.is_barred(None, digest, NOW) is False


@pytest.mark.parametrize(("age", "expected"), [(0, True), (599, True), (600, False), (-299, True), (-300, False)])
def test_for_how_long_a_client_is_new(age: float, expected: bool) -> None:
    """A client is given time for ten minutes; if it seems to be of the future, only as far as clocks may differ."""
    assert rules.is_settling(ClientCredentials("a", "b", NOW.wall - age), NOW, POLICY) is expected


@pytest.mark.parametrize(
    ("left", "expected"), [(604_800, False), (604_799, True), (0, True), (-1, True), (None, False)]
)
def test_when_the_end_of_a_secret_is_near(left: float | None, expected: bool) -> None:
    """A client secret is about to end for the last seven days, and after that; most secrets have no end."""
    metadata = {} if left is None else {"client_secret_expires_at": NOW.wall + left}
    assert rules.is_ending(ClientCredentials("a", "b", metadata=metadata), NOW) is expected


@pytest.mark.parametrize(
    ("refused", "asked", "expected"),
    [(0, 9, False), (2, 2, False), (3, 3, True), (3, 5, True), (3, 6, False), (3, 7, False), (50, 99, True)],
)
def test_what_is_an_incident(refused: int, asked: int, expected: bool) -> None:
    """It takes three refused identities, and more than half of all, to blame the server instead of a client."""
    assert rules.is_incident(refused, asked) is expected


@pytest.mark.parametrize(
    ("verdict", "expected"),
    [(Verdict.TOKEN, True), (Verdict.CREDENTIALS, True), (Verdict.USER, False), (Verdict.APPLICATION, False)],
)
def test_which_refusals_ask_for_another_token(verdict: Verdict, expected: bool) -> None:
    """A 401 because of the token or its client is ours to deal with; one about the user or the application is not."""
    assert token_refused.is_ours(verdict) is expected


@pytest.mark.parametrize(
    ("replaced_at", "reregister", "expected"),
    [
        (None, 86_400.0, True),
        (NOW.wall - 86_399, 86_400.0, False),
        (NOW.wall - 86_400, 86_400.0, True),
        (NOW.wall, 86_400.0, False),
        (NOW.wall + 60, 86_400.0, True),
        (NOW.wall + 1e9, 86_400.0, True),
        (None, "never", False),
        (NOW.wall + 1e9, "never", False),
    ],
)
def test_who_may_register_again(replaced_at: float | None, reregister: Any, expected: bool) -> None:
    """An identity may replace its client once a day, or never; a clock that was ahead once locks nobody out."""
    credentials = ClientCredentials("a", "b", replaced_at=replaced_at)
    assert rules.may_register_again(credentials, NOW, Policy(reregister=reregister)) is expected


@pytest.mark.parametrize(
    "settings",
    [
        {"timeout": 0},
        {"timeout": -1},
        {"timeout": float("nan")},
        {"attempts": 0},
        {"spared_for": "10"},
        {"reregister": "always"},
        {"mandatory_within": 1000},
    ],
)
def test_a_policy_that_makes_no_sense_is_refused(settings: dict[str, Any]) -> None:
    """A number that is none, negative, or contradicts another is an error that names the field."""
    with pytest.raises(ConfigurationError, match="Policy"):
        Policy(**settings)


@pytest.mark.parametrize(
    ("value", "after_refusal", "age", "expected"),
    [("token", True, 5, True), ("token", True, 10, False), ("another", True, 5, False), ("token", False, 0, False)],
)
def test_which_refusal_casts_suspicion(value: str, after_refusal: bool, age: float, expected: bool) -> None:
    """Only a second refusal in a row speaks against a client: that of a token which the first has just brought."""
    held = token_life.held(token(21_600, value="token", after_refusal=after_refusal), NOW, 0.5, POLICY)
    refused = token(21_600, value=value)
    assert token_refused.incriminates(refused, held, NOW.later(age), POLICY) is expected
    assert token_refused.incriminates(refused, None, NOW.later(age), POLICY) is False
