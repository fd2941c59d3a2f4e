"""Where a secret may go."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, ConfigurationError
from dcrauth.providers.origins import (
    Origin,
    is_loopback,
    origin,
    origin_of,
    prefixes,
    secure_url,
    spellings,
    usual_spelling,
)


@pytest.mark.parametrize(
    ("url", "same"),
    [
        ("https://sp.auth.adobe.com", "https://SP.auth.Adobe.com:443/path?query#fragment"),
        ("http://localhost", "ws://localhost:80/socket"),
        ("https://localhost", "wss://localhost/socket"),
        ("https://user:password@example.com", "https://example.com"),
        ("https://XN--bcher-kva.example", "https://xn--bcher-kva.example"),
        ("http://[::1]:8080", "http://[0:0:0:0:0:0:0:1]:8080/x"),
    ],
)
def test_spellings_of_one_origin(url: str, same: str) -> None:
    """Case, default ports, user information, paths and the form of an address do not make another origin."""
    assert origin_of(url) == origin_of(same)


@pytest.mark.parametrize(
    "url",
    [
        "http://sp.auth.adobe.com",
        "https://sp.auth.adobe.com.",
        "https://sp.auth.adobe.com:8443",
        "https://sp.auth.adobe.com.evil.example",
        "https://evil.example/sp.auth.adobe.com",
        "https://sp.auth.adobe.com@evil.example",
        "https://sp-auth.adobe.com",
    ],
)
def test_lookalikes_are_other_origins(url: str) -> None:
    """Another scheme, port or host is another origin, however much the URL resembles the first."""
    assert origin_of(url) != origin_of("https://sp.auth.adobe.com")
    assert not url.startswith(prefixes([origin_of("https://sp.auth.adobe.com")]))


@pytest.mark.parametrize(
    "host", ["faß.de", "preßplay.com", "βόλος.com", "\uff33p.auth.adobe.com", "sp。auth。adobe。com"]
)
def test_a_host_that_is_not_ascii_is_no_setting(host: str) -> None:
    """Libraries read international names in different ways, so a setting has to say how it goes on the wire."""
    with pytest.raises(ConfigurationError, match=r"base_url has a host that is not ASCII.*xn--"):
        AdobePass(STATEMENT, base_url=f"https://{host}")
    with pytest.raises(ConfigurationError, match=r"protects has a host that is not ASCII.*xn--"):
        AdobePass(STATEMENT, protects=[f"https://{host}:8443/api"])


def test_an_encoded_host_stays_as_it_is() -> None:
    """The xn-- form of a name is what is compared, whatever it means; a port of 0 is none."""
    assert origin("https", "xn--fa-hia.de", None) == origin_of("https://xn--fa-hia.de")
    assert origin("https", "faß.de", None) not in {origin_of("https://xn--fa-hia.de"), origin_of("https://fass.de")}
    assert origin("https", "fass.de", 0) != origin_of("https://fass.de")


@pytest.mark.parametrize("host", ["sp%2Eauth.adobe.com", "sp,auth", "[fe80::1%25eth0]", "[1.2.3.4]", "[v1.a]", "a*b"])
def test_a_host_is_a_name_or_an_address(host: str) -> None:
    """What is neither a host name nor an address as it is sent is no setting."""
    with pytest.raises(ConfigurationError, match="not an absolute URL"):
        secure_url(f"https://{host}", "base_url")


@pytest.mark.slow
@given(st.text(max_size=40))
def test_a_prefix_never_matches_another_origin(rest: str) -> None:
    """Whatever follows the prefix of an origin, the URL is of that origin."""
    mine = Origin("https", "sp.auth.adobe.com", 443)
    url = prefixes([mine])[0] + rest
    try:
        assert origin_of(url) == mine
    except ConfigurationError:
        """No URL at all."""


def test_default_ports_may_be_left_out() -> None:
    """The parts of a URL are found with the default port and without it, others with their port only."""
    found = spellings([origin("https", "a", None), origin("http", "b", 8080)])
    assert found == {("https", "a", 443), ("https", "a", None), ("http", "b", 8080)}


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST", "127.0.0.1", "127.8.8.8", "::1"])
def test_loopback_is_this_machine(host: str) -> None:
    """Loopback names and addresses may be spoken to without TLS."""
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["", "localhost.evil.example", "10.0.0.1", "0.0.0.0", "128.0.0.1", "::2"])  # noqa: S104
def test_anything_else_is_not(host: str) -> None:
    """Private networks and names that begin like loopback are not this machine."""
    assert not is_loopback(host)


def test_a_secure_url_loses_its_last_slash() -> None:
    """A base URL may end with a slash, and may have a path."""
    assert secure_url("https://example.com/adobe/", "base_url") == "https://example.com/adobe"


USUAL = "https://sp.auth.adobe.com/o/Client?a=B"


@pytest.mark.parametrize(
    ("url", "usual"),
    [
        (USUAL, USUAL),
        ("HTTPS://sp.auth.adobe.com/o/Client?a=B", USUAL),
        ("https://SP.Auth.Adobe.com/o/Client?a=B", USUAL),
        ("https://sp.auth.adobe.com:443/o/Client?a=B", USUAL),
        ("https://sp.auth.adobe.com:/o/Client?a=B", USUAL),
        ("HTTP://LOCALHOST:80/x", "http://localhost/x"),
        ("https://[::1]:443/x", "https://[::1]/x"),
        ("https://[::1]:8443/x", "https://[::1]:8443/x"),
        ("https://User:Word@Example.com:443/x", "https://User:Word@example.com/x"),
    ],
)
def test_a_url_has_one_usual_spelling(url: str, usual: str) -> None:
    """Case of scheme and host and a default port are spelling; the path, the query and the user are not."""
    assert usual_spelling(url) == usual == usual_spelling(usual)


@pytest.mark.parametrize("text", ["", "token", "https://", "https://a:99999/", "https://[::1", "/o/Client"])
def test_what_is_no_url_has_one_spelling(text: str) -> None:
    """Text that is no absolute URL, as a provider of one's own may give, stays as it is."""
    assert usual_spelling(text) == text
