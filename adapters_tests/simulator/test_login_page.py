"""The browser's part of a login, with a client that follows links and posts the form as a browser does."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from urllib.parse import urljoin

import pytest
import requests

from adapters_tests.common.clock import ManualClock
from adapters_tests.simulator.described import Caller
from dcrauth.simulator import Behaviour, Mvpd, Simulator, User, World


class Page(HTMLParser):
    """What a page has in it."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attributes)))

    def of(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def opened(adobe: Simulator, url: str) -> requests.Response:
    """The login page of an address that a session names."""
    return requests.get(adobe.url + url, timeout=20)


def entered(page: requests.Response, user: str, password: str = "") -> requests.Response:
    """What comes of the form."""
    return requests.post(page.url, data={"user": user, "password": password}, allow_redirects=False, timeout=20)


def test_a_login_in_a_browser(adobe: Simulator, caller: Caller) -> None:
    """The address of a session leads to a form, and the form back to the application, which has a profile then."""
    session = caller.start()
    page = opened(adobe, session["url"])
    assert page.headers["Content-Type"] == "text/html;charset=UTF-8"
    assert "Log in at Optimum" in page.text
    assert re.search("mvpd/Cablevision/login/" + session["code"], page.url)
    back = entered(page, "alice")
    assert (back.status_code, back.headers["Location"]) == (303, "https://app.example/done")
    assert set(caller.profiles()) == {"Cablevision"}
    leave = requests.get(urljoin(adobe.url, caller.log_out()["url"]), allow_redirects=False, timeout=20)
    assert (leave.status_code, leave.headers["Location"]) == (302, "https://app.example")


def test_the_form_can_be_used_by_all(adobe: Simulator, caller: Caller) -> None:
    """Every field has a label, the page says its language, and no script runs on it."""
    answer = opened(adobe, caller.start()["url"])
    page = Page(answer.text)
    assert {each["for"] for each in page.of("label")} == {each["id"] for each in page.of("input")}
    assert page.of("html") == [{"lang": "en"}]
    assert page.of("script") == []
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "color-scheme: light dark" in answer.text


def test_who_is_not_known(adobe: Simulator, caller: Caller) -> None:
    """A wrong name or password shows the form again, with the reason, and makes no profile."""
    adobe.world = World(
        mvpds=(Mvpd(id="Cablevision"), Mvpd(id="Dish")),
        users=(User(name="bob", password="right", mvpd="Cablevision"), User(name="carol", mvpd="Dish")),
    )
    page = opened(adobe, caller.start()["url"])
    for user, password in (("bob", "wrong"), ("carol", ""), ("", "")):
        again = entered(page, user, password)
        assert (again.status_code, Page(again.text).of("form")) == (403, [{"method": "post"}])
        assert 'role="alert"' in again.text
    assert caller.profiles() == {}
    assert entered(page, "bob", "right").status_code == 303


def test_names_are_text(adobe: Simulator, caller: Caller) -> None:
    """Markup in the name of an MVPD or a user, or in what was entered, is shown and does nothing."""
    evil = "<img src=x onerror=alert(1)>\"'"
    adobe.world = World(mvpds=(Mvpd(id=evil, display_name=evil),), users=(User(name=evil),))
    page = opened(adobe, caller.start(mvpd=evil)["url"])
    again = entered(page, evil + "2")
    for answer in (page, again):
        assert Page(answer.text).of("img") == []
        assert "&lt;img" in answer.text
    assert entered(page, evil).status_code == 303


def test_where_the_application_is(adobe: Simulator, caller: Caller) -> None:
    """Addresses of applications, and with letters of any script, are gone to as a header can have them."""
    for given, told in (
        ("app://done", "app://done"),
        ("https://x.example/ü?a=%20b", "https://x.example/%C3%BC?a=%20b"),
    ):
        page = opened(adobe, caller.start(redirectUrl=given)["url"])
        assert entered(page, "alice").headers["Location"] == told
        caller.log_out()


@pytest.mark.parametrize(("wording", "kind"), [("openapi", "application/json"), ("pages", "text/html")])
def test_a_code_that_leads_nowhere(adobe: Simulator, caller: Caller, wording: str, kind: str) -> None:
    """It is a 400, in JSON as the files have it or in HTML as the pages do; so is a session that lacks something."""
    lacking = caller.post("sessions", data={"mvpd": "Cablevision"})["code"]
    adobe.behaviour = Behaviour(wording=wording)  # type: ignore[arg-type]
    for path in ("authenticate/REF30/NOCODE", "authenticate/NOBODY/NOCODE", f"authenticate/REF30/{lacking}"):
        answer = caller.send("GET", path)
        assert (answer.status_code, answer.headers["Content-Type"].partition(";")[0]) == (400, kind)
    assert caller.send("POST", "authenticate/REF30/NOCODE").status_code == 405


def test_pages_of_no_session(adobe: Simulator, caller: Caller, time: ManualClock) -> None:
    """A login page whose session is over, or of another MVPD, and other methods, are told so; a logout may end here."""
    page = opened(adobe, caller.start()["url"])
    assert requests.get(page.url.replace("Cablevision", "Dish"), timeout=20).status_code == 400
    assert requests.put(page.url, timeout=20).status_code == 405
    time.advance(1801)
    assert entered(page, "alice").status_code == 400
    away = f"{adobe.url}/mvpd/Cablevision/logout"
    assert "logged out" in requests.get(away, timeout=20).text
    assert requests.get(away, params={"redirectUrl": "a\r\nb: c"}, timeout=20).status_code == 400
