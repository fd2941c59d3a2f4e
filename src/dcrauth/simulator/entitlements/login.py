"""The browser's part: from a code to the login page of an MVPD, and back to the application."""

import html
import re
from urllib.parse import parse_qs, quote, unquote

from dcrauth.simulator.enhanced import Refusal, explained
from dcrauth.simulator.entitlements.asked import Asked, checked_url, quoted
from dcrauth.simulator.entitlements.profiles import new_profile
from dcrauth.simulator.entitlements.sessions import missing_of, session_of
from dcrauth.simulator.entitlements.state import Session, State
from dcrauth.simulator.messages import Call, Reply
from dcrauth.simulator.world import User, World

_PAGE_PATH = re.compile(r"/mvpd/(?P<mvpd>[^/]+)/(?:login/(?P<code>[^/]+)|logout)")
_CODE = re.compile(r"/api/v2/authenticate/[^/]+/(?P<code>[^/]+)/?|/mvpd/[^/]+/login/(?P<page>[^/]+)|/mvpd/[^/]+/logout")
_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1.1rem/1.5 system-ui, sans-serif }}
main {{ max-width: 24rem; margin: 10vh auto; padding: 0 1rem }}
input, button {{ font: inherit; display: block; width: 100%; box-sizing: border-box }}
input, button {{ margin: .3rem 0 1rem; padding: .5rem }}
</style>
</head>
<body>
<main>
<h1>{title}</h1>
{content}
</main>
</body>
</html>
"""
_FORM = """{complaint}<form method="post">
<label for="user">User</label>
<input id="user" name="user" list="users" autocomplete="username" autofocus required>
<datalist id="users">{options}</datalist>
<label for="password">Password</label>
<input id="password" name="password" type="password" autocomplete="current-password">
<button>Log in</button>
</form>
<p>This is the simulator's own page. It knows {names}.</p>"""
_HTML = (
    ("Content-Type", "text/html;charset=UTF-8"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'"),
)


def code_of(path: str) -> str | None:
    """Return the code of a path that a browser comes to, empty where it needs none; None for any other path."""
    found = _CODE.fullmatch(path)
    return None if found is None else unquote(found["code"] or found["page"] or "")


def authenticate(asked: Asked) -> Reply:
    """Send the browser to the login page of the session's MVPD."""
    session = session_of(asked)
    missing = missing_of(session)
    if missing:
        raise Refusal("invalid_authentication_session", f"The session still lacks {', '.join(missing)}")
    up = "../" * (asked.call.path.count("/") - 1)
    where = f"{up}mvpd/{quoted(session.parameters['mvpd'])}/login/{session.code}"
    return Reply.json(302, {}, ("Location", where))


def page_of(refused: Refusal) -> Reply:
    """Return what a browser is shown where no login page can be."""
    reply = _page(refused.status, "This code leads nowhere", _paragraph(refused.why))
    return explained(Reply(reply.status, reply.body, reply.headers + refused.headers), refused.why)


def page(call: Call, world: World, state: State) -> Reply | None:
    """Answer a call of an MVPD's own pages; None if it is no such call."""
    route = _PAGE_PATH.fullmatch(call.path)
    if route is None:
        return None
    if call.method not in {"GET", "HEAD", "POST"}:
        return explained(_page(405, "Not so", _paragraph("This page is read or posted to")), f"{call.method} on a page")
    if route["code"] is None:
        return _goodbye(call)
    session = state.session(unquote(route["code"]))
    if session is None or session.ends_at <= state.clock() or session.parameters.get("mvpd") != unquote(route["mvpd"]):
        return page_of(Refusal("invalid_parameter_code", "There is no such session, or its time is over"))
    return _posted(call, session, world, state) if call.method == "POST" else _login_page(session, world)


def log_in(state: State, world: World, code: str, name: str, password: str | None = None) -> Session:
    """Log a user in with the code of a session, as the page does; return the session.

    Parameters:
        password: the password; None where none is asked for.

    Raises:
        Refusal: there is no such session or user, or the password is another.
    """
    session = state.session(code)
    if session is None or session.ends_at <= state.clock():
        raise Refusal("invalid_parameter_code", f"There is no session of code {code[:60]!r}, or its time is over")
    mvpd = world.mvpd(session.parameters.get("mvpd", ""))
    if mvpd is None:
        raise Refusal("invalid_authentication_session", "The session names no MVPD that there is")
    user = next((each for each in world.subscribers(mvpd.id) if each.name == name), None)
    if user is None or (password is not None and user.password not in {"", password}):
        with_it = "" if user is None else " with this password"
        raise Refusal("identity_not_recognized_by_mvpd", f"{mvpd.id} knows no {name[:60]!r}{with_it}")
    state.log_in(new_profile(session, mvpd, user, state.clock()))
    return session


def location(url: str) -> str:
    """Return *url* as a header has it."""
    return quote(url, safe="%/:?#[]@!$&'()*+,;=~")


def _posted(call: Call, session: Session, world: World, state: State) -> Reply:
    fields = parse_qs(call.body.decode("utf-8", "replace"))
    name, password = (fields.get(each, [""])[-1] for each in ("user", "password"))
    try:
        log_in(state, world, session.code, name, password)
    except Refusal as refused:
        return explained(_login_page(session, world, refused.why), refused.why)
    to = session.parameters.get("redirectUrl", "")
    if not to:
        return _page(200, "You are logged in", _paragraph("Go back to your device."))
    return Reply(303, headers=(("Location", location(to)), ("Cache-Control", "no-store")))


def _login_page(session: Session, world: World, complaint: str = "") -> Reply:
    mvpd = session.parameters["mvpd"]
    found = world.mvpd(mvpd)
    users = world.subscribers(mvpd)
    content = _FORM.format(
        complaint=f'<p role="alert">{html.escape(complaint)}</p>\n' if complaint else "",
        options="".join(f'<option value="{html.escape(each.name)}">' for each in users),
        names=_names(users),
    )
    title = f"Log in at {(found and found.display_name) or mvpd}"
    return _page(403 if complaint else 200, title, content)


def _names(users: list[User]) -> str:
    told = [f"<b>{html.escape(each.name)}</b>{' (any password)' * (not each.password)}" for each in users[:20]]
    return ", ".join(told) or "nobody"


def _goodbye(call: Call) -> Reply:
    to = parse_qs(call.query).get("redirectUrl", [""])[-1]
    if not to:
        return _page(200, "You are logged out", _paragraph("Go back to your device."))
    try:
        return Reply(302, headers=(("Location", location(checked_url(to))),))
    except Refusal as refused:
        return explained(_page(400, "You are logged out", _paragraph(refused.why)), refused.why)


def _page(status: int, title: str, content: str) -> Reply:
    return Reply(status, _PAGE.format(title=html.escape(title), content=content).encode(), _HTML)


def _paragraph(text: str) -> str:
    return f"<p>{html.escape(text)}</p>"
