"""A headless Chromium, and a command that takes the picture of the simulator's page for the documentation.

Run: python -m adapters_tests.simulator.browser docs/simulator.png
"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from adapters_tests.simulator.calling import call, control, token
from dcrauth.simulator import Behaviour, Fault, Scenario, Simulator, Step

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")


def chromium() -> str | None:
    """Where Chromium is, if it is installed."""
    return next(filter(None, map(shutil.which, PROGRAMS)), None)


@contextmanager
def running() -> Iterator[Any]:
    """A browser, whose `new_page` gives pages."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        # Without a sandbox, since root has none; it sees nothing but the simulator.
        browser = playwright.chromium.launch(executable_path=chromium(), args=["--no-sandbox"])
        try:
            yield browser
        finally:
            browser.close()


def busy(adobe: Simulator) -> None:
    """Let some of everything happen."""
    value = token(adobe)
    for path in ("configuration", "profiles", "profiles/Cablevision", "nothing"):
        call(adobe, value, f"/api/v2/REF30/{path}")
    adobe.inject("api", Fault(status=503))
    call(adobe, value)
    adobe.expire_tokens()
    call(adobe, value)
    token(adobe)
    adobe.inject("token", Fault(status=429), times=2)
    adobe.play(Scenario("token endpoint away for a minute", (Step(endpoint="token", fault=Fault(reset=True)),)))
    control(adobe, "advance", seconds=900)


def main(path: str) -> None:
    """Take the picture."""
    with Simulator(Behaviour(throttle="bucket")) as adobe, running() as browser:
        page = browser.new_page(viewport={"width": 1280, "height": 1240})
        busy(adobe)
        page.goto(f"{adobe.url}/")
        page.get_by_text("Connected").wait_for()
        page.locator("#calls summary").nth(4).click()
        page.locator(".wire").nth(1).wait_for()
        page.evaluate("scrollTo(0, 0)")
        page.screenshot(path=path)


if __name__ == "__main__":
    main(sys.argv[1])
