"""The header that names a streaming device: written, read back, and put on requests of one device only."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest

from adapters_tests.common.world import STATEMENT
from dcrauth import AdobePass, ClientCredentials, ConfigurationError, DeviceInfo
from dcrauth.providers.adobe.device_identifier import identifier_header, identifier_in

NAME = "AP-Device-Identifier"


@pytest.mark.parametrize("identifier", ["a", "device-42", "ab", "Gerät 7", "\0", "x" * 512, "𝄞" * 512])
def test_what_is_written_is_read(identifier: str) -> None:
    """Any text of up to 512 characters comes back from the header, with padding or without, and is one line."""
    header = identifier_header(identifier)
    assert header.startswith("fingerprint ")
    assert header.isascii()
    assert header.isprintable()
    assert {identifier_in(header), identifier_in(header.rstrip("=")), identifier_in(f" {header} ")} == {identifier}


def test_the_scheme_is_read_in_any_case() -> None:
    """What comes before the identifier may be written in capitals."""
    assert identifier_in("Fingerprint  ZGV2aWNlLTQy") == "device-42"


NONE = [
    "",
    "fingerprint",
    "fingerprint ",
    "ZGV2aWNlLTQy",
    "serial ZGV2aWNlLTQy",
    "fingerprint ZGV2aWNlLTQy, fingerprint ZGV2aWNlLTQy",
    "fingerprint ZGV2aWNl\nLTQy",
    "fingerprint Z",
    "fingerprint Gerät",
    "fingerprint ////",
    f"fingerprint {'A' * 5000}",
    f"fingerprint {b64encode(bytes([255, 254])).decode()}",
]


@pytest.mark.parametrize("value", NONE, ids=lambda value: repr(value)[:30])
def test_what_names_no_device(value: str) -> None:
    """What is no Base64 of text after the one known scheme is refused, and the error says what to send instead."""
    with pytest.raises(ConfigurationError, match=r"fingerprint.*instance_of"):
        identifier_in(value)


@pytest.mark.parametrize("identifier", ["", "x" * 513, 5, b"device", True, "\ud800"])
@pytest.mark.parametrize("give", [AdobePass, lambda text, **more: AdobePass(text).for_device(None, **more)])
def test_what_can_be_no_identifier(identifier: Any, give: Any) -> None:
    """A provider refuses what the header cannot say."""
    with pytest.raises(ConfigurationError, match="device_identifier"):
        give(STATEMENT, device_identifier=identifier)


def test_it_is_on_requests_and_not_on_the_two_calls() -> None:
    """Protected APIs get the identifier; registrations and token calls do not (Adobe's table of headers)."""
    adobe = AdobePass(STATEMENT, device_identifier="device-42", forwarded_for="203.0.113.7")
    assert adobe.api_headers == {NAME: "fingerprint ZGV2aWNlLTQy", "X-Forwarded-For": "203.0.113.7"}
    for request in (adobe.registration_request(), adobe.token_request(ClientCredentials("a", "b"))):
        assert NAME not in request.headers


def test_it_is_that_of_one_device() -> None:
    """Another device has another identifier or none; the switch of the other device headers leaves it where it is."""
    adobe = AdobePass(STATEMENT, device_identifier="a", device_headers_on_requests=False, forwarded_for="203.0.113.7")
    assert adobe.api_headers == {NAME: identifier_header("a")}
    assert adobe.for_device(None).api_headers == {}
    assert adobe.for_device(None, device_identifier="b").api_headers == {NAME: identifier_header("b")}


def test_a_request_describes_the_device_to_the_two_calls() -> None:
    """What a request says of its device takes the place of what was known, on the two calls and on no other request."""
    known = AdobePass(STATEMENT, device_info=DeviceInfo.detect(), forwarded_for="203.0.113.7")
    said = known.for_request({"X-Forwarded-For": "203.0.113.8, 198.51.100.1"})
    headers = said.registration_request().headers
    assert headers["X-Forwarded-For"] == "203.0.113.8, 198.51.100.1"
    assert headers["X-Device-Info"] == known.registration_request().headers["X-Device-Info"]
    assert said.api_headers == known.api_headers
    assert said.for_request({"X-Forwarded-For": "203.0.113.8, 198.51.100.1"}) is said
    assert known.for_request({}) is known


@pytest.mark.parametrize("value", ["a\r\nX-Evil: b", "schlüssel", "x" * 8193, " ", "a\0"])
def test_what_cannot_be_sent_on_is_left_out(value: str) -> None:
    """A request cannot have our own calls carry what is no plain header field."""
    adobe = AdobePass(STATEMENT)
    assert adobe.for_request({"X-Device-Info": value}) is adobe


def test_it_can_be_read() -> None:
    """A provider says which device it is of, and one for another device says that one, or none."""
    adobe = AdobePass(STATEMENT, device_identifier="device-42")
    assert adobe.device_identifier == "device-42"
    assert adobe.for_device(None, device_identifier="device-43").device_identifier == "device-43"
    assert adobe.for_device(None).device_identifier is None
    assert adobe.for_request({"X-Forwarded-For": "203.0.113.7"}).device_identifier == "device-42"
