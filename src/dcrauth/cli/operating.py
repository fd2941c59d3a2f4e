"""The commands ``status`` and ``check``: their options, the settings behind them, and how they end."""

import argparse
import os
import time
from collections.abc import Callable

from dcrauth.cli import check, status
from dcrauth.cli.check_settings import gathered
from dcrauth.cli.findings import exit_status, finding_of
from dcrauth.cli.output import complain
from dcrauth.cli.show import show, write
from dcrauth.cli.store_reading import read_report
from dcrauth.cli.stored import Named
from dcrauth.engine.identity import Identity
from dcrauth.errors import DCRAuthError
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.adobe.device_info import DeviceInfo
from dcrauth.providers.software_statement import SoftwareStatement
from dcrauth.stores import Store

_SETTINGS = (
    ("software_statement", "FILE", "the application's statement"),
    ("environment", "NAME", "which of Adobe's environments"),
    ("base_url", "URL", "takes the place of the environment's host"),
    ("instance", "NAME", "what tells this instance of the application from others"),
)
"""Options, each with a variable of the environment behind it; an empty one counts as one that is not set."""

Open = Callable[[argparse.Namespace], Store]


def add_status(parser: argparse.ArgumentParser, text: Callable[[str], str], seconds: Callable[[str], float]) -> None:
    """Add the options of ``dcrauth status``."""
    _add_settings(parser, text)
    parser.add_argument("--watch", metavar="SECONDS", type=seconds, help="show it again and again, until Ctrl-C")
    parser.add_argument("--times", metavar="N", type=int, help="with --watch: so many times")
    parser.add_argument("--reveal", action="store_true", help="show client ids whole")


def add_check(parser: argparse.ArgumentParser, text: Callable[[str], str]) -> None:
    """Add the options of ``dcrauth check``."""
    _add_settings(parser, text)
    parser.add_argument("--register", action="store_true", help="register if there certainly is no client")
    parser.add_argument("--token", action="store_true", help="ask for a token with the stored credentials")


def _add_settings(parser: argparse.ArgumentParser, text: Callable[[str], str]) -> None:
    for name, value, told in _SETTINGS:
        option, variable = f"--{name.replace('_', '-')}", _variable(name)
        parser.add_argument(option, metavar=value, type=text, help=f"{told}; default: ${variable}")
    parser.add_argument("--json", action="store_true", help="one line of JSON, for programs")


def run_status(options: argparse.Namespace, open_store: Open) -> int:
    """Tell what the store holds; return 0, or 4 if something of it cannot be read."""
    shown = status.Shown(as_json=options.json, reveal=options.reveal, every=options.watch, times=options.times)
    try:
        named, store = _named(options), open_store(options)
        return status.run(lambda: read_report(store, time.time(), named), shown, show, write)
    except DCRAuthError as error:
        complain(str(error))
        return exit_status([finding_of(error, "store")])


def run_check(options: argparse.Namespace, open_store: Open) -> int:
    """Look at statement, server, store and client; return what the findings come to."""
    environment = _setting(options, "environment") or "release-production"
    settings = gathered(
        _setting(options, "software_statement"),
        lambda statement: _provider(options, statement),
        lambda: open_store(options),
        environment=environment,  # type: ignore[arg-type]  # it is looked at where it is used
        base_url=_setting(options, "base_url"),
        instance=_instance(options),
        register=options.register,
        token=options.token,
    )
    return check.run(settings, show, write if options.json else None)


def _named(options: argparse.Namespace) -> Named | None:
    """Return the identity of the settings; None where they name no application."""
    path = _setting(options, "software_statement")
    if path is None:
        return None
    provider, instance = _provider(options, SoftwareStatement.of(path)), _instance(options)
    identity = Identity.of(provider.register_url, provider.token_url, provider.application, instance)
    return Named(identity, provider.application, instance, provider.statement_digest)


def _provider(options: argparse.Namespace, statement: SoftwareStatement) -> AdobePass:
    return AdobePass(
        statement,
        environment=_setting(options, "environment") or "release-production",  # type: ignore[arg-type]  # it checks it
        base_url=_setting(options, "base_url"),
        device_info=DeviceInfo.detect(),
    )


def _instance(options: argparse.Namespace) -> str:
    return _setting(options, "instance") or "default"


def _setting(options: argparse.Namespace, name: str) -> str | None:
    given: str | None = getattr(options, name)
    return given or os.environ.get(_variable(name), "").strip() or None


def _variable(name: str) -> str:
    return f"DCRAUTH_{name.upper()}"
