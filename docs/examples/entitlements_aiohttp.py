"""A server that asks Adobe Pass what a streaming device may watch, on aiohttp.

``python entitlements_aiohttp.py`` plays it against the simulator; ``python entitlements_aiohttp.py URL STATEMENT_FILE``
against Adobe, at ``https://sp.auth.adobe.com``.
"""

import asyncio
import sys
from asyncio import sleep
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urljoin

import aiohttp

from dcrauth import AdobePass, DCRAuthError, DeviceInfo, MemoryStore, SQLiteStore, TokenSources
from dcrauth.adobe import EnhancedError, enhanced_error
from dcrauth.aiohttp import DCRAuth
from dcrauth.stores import Store

# What Adobe knows of you, what is to be watched, and the device that asks; a server has these from its own records.
CHANNEL, DOMAIN, HOME, RESOURCE = "REF30", "adobe.com", "https://www.adobe.com/", "news"
DEVICE, ADDRESS = "device-42", "203.0.113.7"
INFO = DeviceInfo(
    primary_hardware_type="SetTopBox", model="Streamer 4", version="4.1", os_name="Android", os_version="14",
    connection_type="WiFi",
)  # fmt: skip


class Refused(Exception):
    """Adobe Pass said no, with this HTTP status and, as a rule, an Enhanced Error."""

    def __init__(self, status: int, error: EnhancedError) -> None:
        super().__init__(
            f"Adobe Pass said no: HTTP {status}, {error.code or 'no code'}. {error.message or error.details or ''}"
        )
        self.status, self.error = status, error


@dataclass(frozen=True)
class Entitlements:
    """The calls for one device: where to, with which headers, and the page on which a login ends."""

    api: aiohttp.ClientSession
    url: str
    headers: Mapping[str, str]
    home: str

    async def providers(self) -> list[str]:
        """Return the television providers that a user can choose from."""
        return [each["id"] for each in (await self._call("GET", "configuration"))["requestor"]["mvpds"]]

    async def profiles(self) -> dict[str, Any]:
        """Return with whom the device's user is logged in."""
        return dict((await self._call("GET", "profiles"))["profiles"])

    async def begin(self, provider: str) -> dict[str, Any]:
        """Begin a session: its code and its url lead to the login, unless none is needed."""
        form = {"mvpd": provider, "domainName": DOMAIN, "redirectUrl": self.home}
        return dict(await self._call("POST", "sessions", data=form))

    async def wait_for_login(self, code: str) -> None:
        """Wait until somebody has logged in with *code*; it is refused once its half hour is over."""
        path = f"profiles/code/{quote(code, safe='')}"
        while not (await self._call("GET", path))["profiles"]:  # noqa: ASYNC110  # Adobe has to be asked
            await sleep(5)

    async def decide(self, provider: str, resource: str) -> dict[str, Any]:
        """Return the decision about *resource*, with a media token if it may be watched."""
        path = f"decisions/authorize/{quote(provider, safe='')}"
        return dict((await self._call("POST", path, json={"resources": [resource]}))["decisions"][0])

    async def log_out(self, provider: str) -> str | None:
        """Log out; return the page that the user has to open for that, if there is one."""
        path = f"logout/{quote(provider, safe='')}"
        left = (await self._call("GET", path, params={"redirectUrl": self.home}))["logouts"][provider]
        return urljoin(self.url, left["url"]) if "url" in left else None

    async def _call(self, method: str, path: str, **content: Any) -> Any:
        """Return what is answered; what is for later (429, action ``retry``) is asked up to three times more."""
        url = f"{self.url}/api/v2/{CHANNEL}/{path}"
        for wait in (1, 2, 4, None):
            async with self.api.request(method, url, headers=self.headers, **content) as answer:
                await answer.read()
            error = enhanced_error(answer) or EnhancedError()
            if wait is None or (answer.status != 429 and error.action != "retry"):
                break
            await sleep(wait)
        if not answer.ok:
            raise Refused(answer.status, error)
        return await answer.json()


async def play(app: Entitlements, show: Callable[[str], object]) -> None:
    """Go the whole way: configuration, session, login, profile, decision, logout."""
    providers = await app.providers()
    show(f"Providers: {', '.join(providers)}")
    provider = providers[0]  # the user chooses
    session = await app.begin(provider)
    if session["actionName"] == "authenticate":
        show(f"Log in: {urljoin(app.url, session['url'])}")  # on a television as a QR code
        await app.wait_for_login(session["code"])
    show(f"Logged in with: {', '.join(await app.profiles())}")
    decision = await app.decide(provider, RESOURCE)
    show(f"{RESOURCE}: {'may be watched' if decision['authorized'] else decision['error']['code']}")
    page = await app.log_out(provider)
    show(f"Logged out; the user ends it there as well: {page}" if page else "Logged out")


def attached(url: str, statement: str, store: Store) -> tuple[DCRAuth, Mapping[str, str]]:
    """Return dcrauth for a client that serves any number of devices, and the headers of one of them."""
    adobe = AdobePass(statement, base_url=url)
    device = adobe.for_device(INFO, device_identifier=DEVICE, forwarded_for=ADDRESS)
    return DCRAuth(TokenSources(adobe, store=store)), device.api_headers


async def run(url: str, statement: str, store: Store, home: str = HOME, show: Callable[[str], object] = print) -> None:
    """Go the whole way with a client of its own."""
    auth, headers = attached(url, statement, store)
    async with aiohttp.ClientSession(middlewares=[auth]) as api:
        await play(Entitlements(api, url, headers, home), show)


if __name__ == "__main__":
    try:
        match sys.argv[1:]:
            case []:
                from dcrauth.simulator import Simulator  # its extra is needed for nothing else

                with Simulator() as simulator:
                    url, statement = simulator.url, simulator.software_statement
                    asyncio.run(run(url, statement, MemoryStore(), home=f"{url}/"))
            case [url, statement]:
                asyncio.run(run(url, statement, SQLiteStore("devices.db")))
            case _:
                sys.exit(__doc__)
    except (DCRAuthError, aiohttp.ClientError, TimeoutError, Refused) as error:
        sys.exit(str(error))
