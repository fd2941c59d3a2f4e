"""A report and findings as they could come up, the same on every machine and every day."""

from __future__ import annotations

from dcrauth.cli.findings import Finding, Word
from dcrauth.cli.stored import Client, StoredIdentity, StoredReport, Token

NOW = 1_795_000_000.0
HOUR, DAY = 3_600.0, 86_400.0
SERVER = "sp.auth.adobe.com"
ODD = "[red]kitchen[/b]\x1b[2J\x07\u200f [link=https://evil.example]x[/link]"
"""What nobody would call an instance, but a terminal and rich would obey."""

CLIENT = Client("credentials", Word.OK, "3f1c9d52-8a70-4a0e-9d0b-6f1f1b7f0a11", NOW - 40 * DAY)

REPORT = StoredReport(
    store="FileStore('/home/mia/.local/share/dcrauth')",
    at=NOW,
    word=Word.NOT_READABLE,
    identities=(
        StoredIdentity(
            identity="912f194d" + "0" * 56,
            configured=True,
            application="c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10",
            instance=ODD,
            client=CLIENT,
            token=Token(Word.OK, NOW - HOUR, NOW + 5 * HOUR + 120),
        ),
        StoredIdentity(
            identity="0a" * 32,
            configured=False,
            application=None,
            instance=None,
            client=Client("credentials", Word.OK, "second-client", NOW - DAY, NOW - DAY, NOW + 2 * DAY),
            token=Token("expired", NOW - 9 * HOUR, NOW - 3 * HOUR),
            kept_aside=(Client("replaced-1", Word.OK, "first-client", NOW - 90 * DAY),),
        ),
        StoredIdentity(
            identity="1b" * 32,
            configured=False,
            application=None,
            instance=None,
            client=Client("credentials", Word.ABSENT),
            token=Token(Word.ABSENT),
            last_error="a registration was answered with HTTP 200 and nothing that can be used",
            last_error_at=NOW - 2 * HOUR,
            retry_at=NOW + 22 * HOUR,
        ),
        StoredIdentity(
            identity="2c" * 32,
            configured=False,
            application=None,
            instance=None,
            client=Client(
                "credentials",
                Word.NOT_READABLE,
                problem="Record 2c2c2c2c….credentials of the store is damaged: its checksum does not match. It was "
                "left as it is; restore it from a backup",
            ),
            token=Token(Word.ABSENT),
        ),
        StoredIdentity("3d" * 32, False, None, None, Client("credentials", "forgotten"), Token(Word.ABSENT)),
        StoredIdentity(
            identity="4e" * 32,
            configured=False,
            application=None,
            instance=None,
            client=Client("credentials", Word.ABSENT),
            token=Token(Word.ABSENT),
            further_tokens=(
                Token(Word.OK, NOW - HOUR, NOW + HOUR, key="token-1a2b3c4d5e6f7081"),
                Token("expired", NOW - 3 * HOUR, NOW - HOUR, key="token-92a3b4c5d6e7f809"),
            ),
        ),
    ),
)

GIVEN = StoredReport(
    store="FileStore('/home/mia/.local/share/dcrauth')",
    at=NOW,
    word=Word.OK,
    identities=(
        StoredIdentity(
            identity="5f" * 32,
            configured=True,
            application="reports",
            instance="default",
            client=Client("credentials", "given", "reports-of-mia"),
            token=Token(Word.OK, NOW - HOUR, NOW + HOUR, key="token-1a2b3c4d5e6f7081", asked_for="scope 'read write'"),
            further_tokens=(Token("expired", NOW - 3 * HOUR, NOW - HOUR),),
        ),
    ),
)
"""What the store has of a client that the settings give."""

NEW = StoredReport(
    store="SQLiteStore('/srv/devices.db')",
    at=NOW,
    word=Word.OK,
    identities=(
        StoredIdentity(
            "912f194d" + "0" * 56, True, "app", "default", Client("credentials", Word.ABSENT), Token(Word.ABSENT)
        ),
    ),
)
"""An empty store, with settings that name an identity."""

EMPTY = StoredReport("SQLiteStore('/srv/devices.db')", NOW, Word.OK, ())

VERSIONS = [
    Finding("version", Word.OK, "0.1.0", about="dcrauth"),
    Finding("version", Word.OK, "3.13.9 on Linux", about="Python"),
    Finding("version", Word.OK, "OpenSSL 3.5.4 30 Sep 2025", about="OpenSSL"),
    Finding("version", Word.OK, "2.32.5", about="requests"),
]

GOOD = [
    Finding("statement", Word.OK, "iss auth.adobe.com; sub c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10"),
    Finding("statement-issued", Word.OK, "issued 12 d 3 h ago (2026-11-05 22:46:40 UTC)"),
    Finding("statement-expiry", Word.OK, "it does not expire"),
    Finding("proxy", Word.OK, "http://proxy.example.com:3128, from the environment variable HTTPS_PROXY", about=SERVER),
    Finding("dns", Word.OK, "proxy.example.com is 192.0.2.7, 2001:db8::7", about=SERVER),
    Finding("tcp", Word.OK, "port 3128 of 192.0.2.7 answers (a proxy)", about=SERVER),
    Finding("proxy-tunnel", Word.OK, f"the proxy leads to {SERVER}:443", about=SERVER),
    Finding("tls", Word.OK, "TLSv1.3, certificate of DigiCert Inc, until Mar  3 23:59:59 2027 GMT", about=SERVER),
    Finding("answer", Word.OK, "HTTP 400, invalid_request: as is due to a call without credentials", about=SERVER),
    Finding("clock", Word.OK, "less than 60 s from the server's", about=SERVER),
    Finding("store", Word.OK, "FileStore('/home/mia/.local/share/dcrauth')"),
    Finding("mount", Word.OK, "a local file system (ext4)"),
    Finding("health", Word.ABSENT, "a directory that is not there yet; the first registration makes it"),
    Finding("credentials", Word.ABSENT, "none are stored yet; the first request registers, and so does --register"),
    Finding("token", Word.ABSENT, "none is stored; the next request asks for one"),
    Finding("token-call", Word.NOT_TRIED, "none was asked for; --token asks for one with the stored credentials"),
    *VERSIONS,
]

BAD = [
    Finding("statement", Word.OK, f"iss {ODD}; sub c46ab0ba-7b7a-4a5f-8d2f-5a5e1d9a6f10"),
    Finding("statement-expiry", Word.WARNING, "expired 3 d ago (2026-11-15 12:26:40 UTC)", "get a new statement"),
    Finding("proxy", Word.OK, "none: no environment variable names one", about=SERVER),
    Finding("dns", Word.OK, f"{SERVER} is 192.0.2.8", about=SERVER),
    Finding("tcp", Word.OK, "port 443 of 192.0.2.8 answers", about=SERVER),
    Finding(
        "tls",
        Word.NOT_TRUSTED,
        "certificate not accepted: self-signed certificate in certificate chain",
        "if a proxy of your company opens TLS, name the file of its certificate",
        SERVER,
    ),
    Finding("answer", Word.NOT_TRIED, "the way to the server does not lead there", about=SERVER),
    Finding("clock", Word.NOT_TRIED, "the way to the server does not lead there", about=SERVER),
    Finding("store", Word.OK, f"FileStore('/srv/{ODD}')"),
    Finding("permissions", Word.WARNING, "mode 770, owned by uid 0: open to others", f"run: chmod 700 /srv/{ODD}"),
    Finding("credentials", Word.NOT_READABLE, "The keyring did not answer within 3 s; unlock it", "unlock it"),
    *VERSIONS,
]
