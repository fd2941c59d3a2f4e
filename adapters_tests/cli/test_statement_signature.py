"""What is told of the signature of a software statement, which nobody here can verify."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from adapters_tests.cli.running import Run
from dcrauth.cli.exit_codes import ExitCode
from dcrauth.cli.statement_signature import unusual_signature
from dcrauth.simulator import Simulator


def statement(algorithm: object, length: int) -> str:
    """Return a JWT of that ``alg`` with a signature of so many bytes."""
    parts = (json.dumps({"alg": algorithm}).encode(), b'{"sub": "app", "iat": 1}', b"s" * length)
    return ".".join(base64.urlsafe_b64encode(each).decode().rstrip("=") for each in parts)


@pytest.mark.parametrize(
    ("algorithm", "length", "usual"),
    [
        *(("RS256", length, length in {256, 384, 512}) for length in (0, 127, 255, 256, 300, 384, 512)),
        *(("PS512", length, length == 256) for length in (64, 256)),
        *(("ES256", length, length == 64) for length in (32, 63, 64)),
        *(("ES512", length, length == 132) for length in (131, 132)),
        *(("HS256", length, length == 32) for length in (31, 32)),
        *(("EdDSA", length, length in {64, 114}) for length in (63, 64, 114)),
        *((unknown, 3, True) for unknown in ("ML-DSA-44", None, 7)),
    ],
)
def test_the_length_of_a_signature_is_that_of_its_kind(algorithm: object, length: int, usual: bool) -> None:
    """A signature that cannot be whole is told; of a kind that is not known nothing is said."""
    told = unusual_signature(statement(algorithm, length))
    assert (told is None) == usual
    assert usual or f"{length} bytes, which is no length of {algorithm}" in (told or "")


def test_a_statement_that_was_cut_short_is_noticed(client: Run, adobe: Simulator, tmp_path: Path) -> None:
    """What head -c has left of a statement is a warning to check and to validate, and no fault."""
    whole = client("statement", "validate")
    assert (whole.status, whole.err) == (ExitCode.GOOD, "")
    (tmp_path / "statement.txt").write_text(adobe.software_statement[:-60])
    ended = client("statement", "validate")
    assert ended.status == ExitCode.GOOD
    assert "warning: its signature has" in ended.err
    assert json.loads(client("statement", "validate", "--json").out)["warnings"]
    checked = client("check", "--json")
    finding = next(each for each in json.loads(checked.out)["findings"] if each["check"] == "statement-signature")
    assert (checked.status, finding["word"]) == (ExitCode.GOOD, "warning")
    assert "cut short" in finding["advice"]


def test_check_says_what_it_has_not_asked(client: Run, adobe: Simulator) -> None:
    """What only the server knows is named in the last line with what asks it, and no token is called good."""
    fresh = " ".join(client("check").out.split())
    assert "No fault was found; exit status 0." in fresh
    assert fresh.endswith("Not asked: whether the server accepts the statement (--register).")
    client("token")
    adobe.revoke_tokens()
    told = " ".join(client("check").out.split())
    assert "not expired, and ends in" in told
    assert "if the API answers 401, then dcrauth token --renew" in told
    assert "All is well" not in told
    assert told.endswith("accepts the client (--token) and the statement (only a registration tells).")
    proved = " ".join(client("check", "--token").out.split())
    assert "All is well; exit status 0. Not asked: whether the server accepts the statement" in proved
