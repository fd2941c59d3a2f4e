"""The simulator's page in a real browser; runs where Chromium and Playwright's client are: tox run -e browser."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
import requests

from adapters_tests.simulator.browser import busy, chromium, running
from adapters_tests.simulator.calling import call, control, token
from adapters_tests.simulator.described import Caller
from adapters_tests.simulator.oauth_calling import registered
from dcrauth.simulator import (
    Behaviour,
    Fault,
    Mvpd,
    OAuthSimulator,
    Scenario,
    ServiceProvider,
    Simulator,
    Step,
    User,
    World,
)

if "DCRAUTH_BROWSER" not in os.environ:  # where it is set, what is missing is a failure
    pytest.importorskip("playwright", reason="the browser's client is not installed: pip install playwright")
    if chromium() is None:
        pytest.skip("no Chromium is installed: apt-get install chromium", allow_module_level=True)

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser."""
    with running() as found:
        yield found


@pytest.fixture(scope="module")
def tab(browser: Any) -> Any:
    """A page of the browser."""
    page = browser.new_page()
    page.set_default_timeout(10_000)
    return page


@pytest.fixture
def page(tab: Any, adobe: Simulator) -> Any:
    """The simulator's page, which is told what happens."""
    tab.goto(f"{adobe.url}/")
    tab.get_by_text("Connected").wait_for()
    return tab


def row(page: Any, text: str) -> Any:
    """The calls on whose row this stands."""
    return page.locator("#calls > li", has_text=text)


def test_what_happens_appears(page: Any, adobe: Simulator) -> None:
    """A registration, a token, a throttled call and a change of the clock are on the page as they happen."""
    value = token(adobe)
    row(page, "/o/client/register").get_by_text("201").wait_for()
    row(page, "/o/client/token").get_by_text("201").wait_for()
    client_id = requests.get(f"{adobe.url}/control/state", timeout=20).json()["things"]["clients"][0]["client_id"]
    section(page, "Clients").get_by_text(client_id).wait_for()
    section(page, "Tokens").get_by_text("min").wait_for()
    page.get_by_label("Throttle", exact=True).select_option("bucket")
    page.get_by_text("Throttle: bucket").wait_for()
    while call(adobe, value) != 429:
        """One more."""
    row(page, "429").wait_for()
    section(page, "Throttled").get_by_text("127.0.0.1").wait_for()
    page.get_by_label("Minutes").fill("600")
    page.get_by_role("button", name="Put the clock forward").click()
    page.get_by_text("The clock is 600 minutes ahead").wait_for()
    page.get_by_role("cell", name="expired").wait_for()


def section(page: Any, name: str) -> Any:
    """The section with this heading."""
    return page.locator("section", has=page.get_by_role("heading", name=name, exact=True))


def test_a_login_appears(page: Any, browser: Any, adobe: Simulator, caller: Caller) -> None:
    """A user who logs in on the second screen is a session, then a profile on the page, until profiles are expired."""
    session = caller.start()
    section(page, "Sessions").get_by_text(session["code"]).wait_for()
    second_screen = browser.new_page()
    second_screen.goto(f"{adobe.url}{session['url']}")
    second_screen.locator("#user").fill("alice")
    second_screen.route("https://app.example/**", lambda route: route.fulfill(body="done"))
    second_screen.locator("#user").press("Enter")
    second_screen.get_by_text("done").wait_for()
    second_screen.close()
    section(page, "Profiles").get_by_text("Cablevision").wait_for()
    page.get_by_role("button", name="Expire all profiles").click()
    page.get_by_text("Done: Expire all profiles").wait_for()
    assert caller.profiles() == {}


def test_buttons_do_what_they_say(page: Any, adobe: Simulator) -> None:
    """A fault, expiry and revocation that are asked for on the page hit the next calls."""
    value = token(adobe)
    page.get_by_label("What happens").select_option("503, unavailable")
    page.get_by_label("How often").fill("2")
    page.get_by_role("button", name="Inject fault").click()
    page.get_by_text("Waiting to go wrong: api: 503, 2 times").wait_for()
    assert call(adobe, value) == 503
    row(page, "503").wait_for()
    page.get_by_role("button", name="Clear faults").click()
    page.get_by_text("Done: Clear faults").wait_for()
    assert call(adobe, value) == 200
    page.get_by_role("button", name="Expire all tokens").click()
    page.get_by_text("Done: Expire all tokens").wait_for()
    assert call(adobe, value) == 401
    page.get_by_role("button", name="Revoke the statement").click()
    page.get_by_role("cell", name="true").wait_for()
    page.get_by_role("button", name="Reset everything").click()
    page.get_by_text("No call yet.").wait_for()
    assert adobe.counts.token == 0


def test_a_call_is_opened_into_what_was_on_the_wire(page: Any, adobe: Simulator) -> None:
    """An opened call shows headers and bodies of both sides, no secret among them, and why it was refused."""
    value = token(adobe)
    call(adobe, value, "/api/v2/REF30/nothing?hint=here")
    row(page, "/o/client/token").locator("summary").click()
    page.get_by_text("grant_type=client_credentials").wait_for()
    row(page, "nothing").locator("summary").press("Enter")
    page.get_by_text("/nothing?hint=here").wait_for()
    text = page.locator("body").inner_text()
    assert re.search(r"authorization: Bearer \[secret [0-9a-f]{8}\]", text)
    assert value not in page.content()
    for secret in adobe.environment()._registry._secrets:
        assert secret not in page.content()


NASTY = (
    "<img src=x onerror=alert(1)>",
    "\"'><script>alert(2)</script>",
    "javascript:alert(3)",
    "</pre><svg onload=alert(4)>",
    "one\n\ndata: {}\r\ntwo <b>three</b>",
)


def test_what_a_client_sends_is_text(page: Any, adobe: Simulator, caller: Caller) -> None:
    """Markup and line ends in paths, headers, bodies and names of applications, MVPDs, scenarios are shown as text."""
    dialogs: list[str] = []
    page.on("dialog", lambda dialog: (dialogs.append(dialog.message), dialog.dismiss()))
    before = page.locator("img, svg, script").count()
    for text in NASTY:
        requests.get(
            f"{adobe.url}/api/v2/{text}/profiles/line%0aend?{quote(text)}",
            headers=dict.fromkeys(("AP-Device-Identifier", "X-Device-Info", "X-Forwarded-For"), " ".join(text.split())),
            timeout=20,
        )
        adobe.statement(text)
        world = World(mvpds=(Mvpd(id=text, display_name=text),), users=(User(name=text),))
        adobe.world = replace(world, service_providers=(ServiceProvider(id="REF30", mvpds=(text,)),))
        session = caller.start(mvpd=text)
        adobe.log_in(session["code"], text)
        adobe.play(Scenario(text, (Step(fault=Fault(status=500, body=text.encode()), last_call=1),)))
        requests.post(f"{adobe.url}/api/v2/REF30/echo", json={text: text}, timeout=20)
        row(page, quote(text, safe="/:;'()=*!")).first.wait_for()
        page.get_by_text(f"scenario: {text}").wait_for()
        page.get_by_role("cell", name=text).first.wait_for()
        section(page, "Profiles").get_by_role("cell", name=text).first.wait_for()
    for summary in page.locator("#calls summary").all():
        summary.click()
    page.locator(".wire", has_text=f"ap-device-identifier: {NASTY[0]}").first.wait_for()
    page.locator(".wire", has_text=NASTY[-1]).last.wait_for()
    assert page.locator("img, svg, script").count() == before
    assert dialogs == []


def test_rows_of_any_kind_are_shown(page: Any, adobe: Simulator, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the registry tells of has a section of its own, with a heading and columns."""
    registry = adobe.environment()._registry
    known = registry.snapshot()
    monkeypatch.setattr(registry, "snapshot", lambda: known | {"odd_things": [{"name": "one", "ends_at": 0}]})
    adobe.advance(60)
    page.get_by_role("heading", name="Odd things").wait_for()
    page.get_by_role("columnheader", name="ends at").wait_for()


CONTROLS = "a[href], button:not([hidden]), select, input, summary"


def test_every_control_has_a_name_and_is_reached_by_keyboard(page: Any, adobe: Simulator) -> None:
    """Tab goes through all controls, and each tells a screen reader what it is."""
    busy(adobe)
    row(page, "/o/client/token").first.wait_for()
    unnamed = page.evaluate(
        """(controls) => [...document.querySelectorAll(controls)]
            .filter((each) => !(each.labels?.length || (!each.value && each.textContent.trim())))
            .map((each) => each.outerHTML)""",
        CONTROLS,
    )
    assert unnamed == []
    page.evaluate("(c) => document.querySelectorAll(c).forEach((each, at) => each.dataset.at = at)", CONTROLS)
    wanted, reached = page.locator("[data-at]").count(), set[str]()
    page.evaluate("() => { document.activeElement.blur(); getSelection().removeAllRanges(); scrollTo(0, 0); }")
    for _ in range(wanted + 20):
        page.keyboard.press("Tab")
        reached |= {page.evaluate("() => document.activeElement?.dataset.at ?? ''")}
    assert len(reached - {""}) == wanted


def test_everything_is_done_by_keyboard(page: Any, adobe: Simulator) -> None:
    """A fault is chosen and injected, a button pressed and a call opened with keys alone, while calls come in."""
    value = token(adobe)
    adobe.environment("staging")
    row(page, "/o/client/token").wait_for()
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")

    def go_to(control: Any) -> None:
        for _ in range(60):
            page.keyboard.press("Tab")
            if control.evaluate("(each) => each === document.activeElement"):
                return
        raise AssertionError(f"Tab does not reach {control}")

    go_to(page.get_by_label("What happens"))
    page.keyboard.press("ArrowDown")
    go_to(page.get_by_label("How often"))
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    page.get_by_text("Waiting to go wrong: api: 500, 2 times").wait_for()
    assert [call(adobe, value) for _ in range(3)] == [500, 500, 200]
    go_to(page.get_by_label("Environment"))
    page.keyboard.press("s")
    call(adobe, value)
    row(page, "200").nth(1).wait_for()
    assert page.get_by_label("Environment").input_value() == "staging"
    go_to(page.get_by_role("button", name="Revoke the statement"))
    page.keyboard.press("Space")
    page.get_by_text("Done: Revoke the statement").wait_for()
    assert [each.revoked for each in adobe.environment("staging")._registry._applications.values()] == [True]
    go_to(row(page, "500").first.locator("summary"))
    page.keyboard.press("Enter")
    page.get_by_text("HTTP 500").wait_for()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_it_is_readable_on_a_telephone_by_day_and_night(scheme: Any, browser: Any, adobe: Simulator) -> None:
    """A narrow screen is not scrolled sideways, and text stands out from its background in both schemes."""
    busy(adobe)
    page = browser.new_page(viewport={"width": 360, "height": 740}, color_scheme=scheme, is_mobile=True)
    page.goto(f"{adobe.url}/")
    page.locator("#calls > li").first.wait_for()
    page.locator("#calls summary").first.click()
    page.locator(".wire").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    back, fore, dim = page.evaluate(
        """() => ['body', 'body', 'label'].map((each, at) => {
            const style = getComputedStyle(document.querySelector(each));
            return (at ? style.color : style.backgroundColor).match(/\\d+/g).map(Number);
        })"""
    )
    assert (sum(back) < 200) is (scheme == "dark")
    assert min(contrast(back, fore), contrast(back, dim)) >= 4.5  # WCAG 2.2, 1.4.3
    page.close()


def contrast(one: list[int], other: list[int]) -> float:
    """How much two colours differ (WCAG 2.2, contrast ratio)."""
    lighter, darker = sorted((luminance(one), luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def luminance(colour: list[int]) -> float:
    """How bright a colour is (WCAG 2.2, relative luminance)."""
    parts = [each / 255 for each in colour[:3]]
    red, green, blue = (each / 12.92 if each <= 0.04045 else ((each + 0.055) / 1.055) ** 2.4 for each in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_the_page_says_when_the_simulator_is_gone_and_comes_back(page: Any, adobe: Simulator) -> None:
    """A stopped simulator is told of; when it is there again, the page goes on by itself."""
    token(adobe)
    row(page, "/o/client/token").wait_for()
    adobe.stop()
    page.get_by_text("does not answer; trying again").wait_for()
    adobe.start()
    page.get_by_text("Connected").wait_for()
    call(adobe)
    row(page, "401").wait_for()
    assert row(page, "/o/client/token").count() == 1


def test_below_a_base_path_and_over_tls_the_page_is_the_same(browser: Any) -> None:
    """The page finds its files, events and controls wherever it is."""
    page = browser.new_page(ignore_https_errors=True)
    with Simulator(base_path="/adobe", tls=True, environments=["staging"]) as adobe:
        page.goto(adobe.url)
        page.get_by_text("Connected").wait_for()
        page.get_by_label("Environment").select_option("staging")
        page.get_by_role("button", name="Revoke the statement").click()
        page.get_by_role("cell", name="true").wait_for()
        assert [each.revoked for each in adobe.environment("staging")._registry._applications.values()] == [True]


def test_a_foreign_page_cannot_press_its_buttons(tab: Any, adobe: Simulator) -> None:
    """A page of another origin, in the same browser, gets nothing out of the simulator and changes nothing."""
    with Simulator(Behaviour()) as foreign:
        value = token(adobe)
        foreign.route("GET", "/page", {"nothing": "here"}, protected=False)
        tab.goto(f"{foreign.url}/page")
        tab.evaluate(
            """async (url) => {
                for (const mode of ["cors", "no-cors"]) {
                    const sent = {method: "POST", mode, body: "{}"};
                    await fetch(`${url}/control/revoke-tokens`, sent).catch(() => {});
                }
            }""",
            adobe.url,
        )
        assert call(adobe, value) == 200
        assert control(adobe, "revoke-tokens")["issued"] == 1
        assert call(adobe, value) == 401


def test_the_page_of_an_oauth_server(tab: Any, oauth: OAuthSimulator) -> None:
    """It has what an authorization server has, buttons and endpoints, and nothing that is Adobe's."""
    tab.goto(f"{oauth.url}/")
    tab.get_by_text("Connected").wait_for()
    client = registered(oauth)
    assert client.ask().ok
    row(tab, "/register").get_by_text("201").wait_for()
    tab.locator("#thing-clients").locator("..").get_by_text(client.fields["client_id"]).wait_for()
    shown = [each.inner_text() for each in tab.locator("button[data-where]:visible").all()]
    assert {"Revoke all clients", "Rotate all secrets", "Expire all secrets"} <= {*shown}
    assert "Expire all profiles" not in shown
    assert not tab.get_by_label("Environment").is_visible()
    tab.get_by_role("button", name="Rotate all secrets").click()
    tab.get_by_text("Done: Rotate all secrets").wait_for()
    assert client.ask().status_code == 401
    tab.get_by_label("Calls of").select_option("discovery")
    tab.get_by_role("button", name="Inject fault").click()
    tab.get_by_text("Waiting to go wrong: discovery").wait_for()
