"""The commands ``status`` and ``check``: their options, the settings behind them, and how they end."""

import argparse
import time
from collections.abc import Callable
from typing import cast

from dcrauth.cli import check, status
from dcrauth.cli.check_settings import gathered
from dcrauth.cli.findings import SETTINGS, exit_status, finding_of
from dcrauth.cli.output import complain
from dcrauth.cli.show import show, write
from dcrauth.cli.store_reading import read_report
from dcrauth.cli.stored import Named
from dcrauth.engine.identity import Identity
from dcrauth.errors import ConfigurationError, DCRAuthError
from dcrauth.providers.adobe.adobe_pass import AdobePass, Environment
from dcrauth.providers.adobe.device_info import DeviceInfo
from dcrauth.providers.adobe.settings import DEFAULTS, PROFILE, VARIABLES, Settings, read_settings
from dcrauth.providers.software_statement import SoftwareStatement
from dcrauth.stores import Store

_SETTINGS = (
    ("software_statement", "FILE", "the application's statement"),
    ("environment", "NAME", "which of Adobe's environments"),
    ("base_url", "URL", "takes the place of the environment's host"),
    ("device_identifier", "TEXT", "the device's own identifier"),
    ("instance", "NAME", "what tells this instance of the application from others"),
)
"""Options, each with a variable of the environment and a profile behind it."""

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
        option, variable = f"--{name.replace('_', '-')}", VARIABLES[name]
        parser.add_argument(option, metavar=value, type=text, help=f"{told}; default: ${variable}, or the profile's")
    parser.add_argument(
        "--profile", metavar="NAME", type=text, help=f"which profile of config.toml; default: ${PROFILE}"
    )
    parser.add_argument("--json", action="store_true", help="one line of JSON, for programs")


def run_status(options: argparse.Namespace, open_store: Open) -> int:
    """Tell what the store holds; return 0, or 4 if something of it cannot be read."""
    shown = status.Shown(as_json=options.json, reveal=options.reveal, every=options.watch, times=options.times)
    try:
        settings = _settings(options)
        named, store = _named(settings), open_store(options)
        return status.run(lambda: read_report(store, time.time(), named), shown, show, write)
    except DCRAuthError as error:
        complain(str(error))
        return exit_status([finding_of(error, "store")])


def run_check(options: argparse.Namespace, open_store: Open) -> int:
    """Look at statement, server, store and client; return what the findings come to."""
    try:
        settings = _settings(options)
    except ConfigurationError as error:
        complain(str(error))
        return SETTINGS
    checked = gathered(
        settings["software_statement"],
        lambda statement: _provider(settings, statement),
        lambda: open_store(options),
        environment=_environment(settings),
        base_url=settings["base_url"],
        instance=_instance(settings),
        register=options.register,
        token=options.token,
    )
    return check.run(checked, show, write if options.json else None)


def _settings(options: argparse.Namespace) -> Settings:
    """Return the settings that hold, that of the store being put among the options, whence it is opened."""
    given = {name: getattr(options, name) for name, _, _ in _SETTINGS}
    settings = read_settings(options.profile, {**given, "store": options.store})
    options.store = settings["store"]
    return settings


def _named(settings: Settings) -> Named | None:
    """Return the identity of the settings; None where they name no application."""
    path = settings["software_statement"]
    if path is None:
        return None
    provider, instance = _provider(settings, SoftwareStatement.of(path)), _instance(settings)
    identity = Identity.of(provider.register_url, provider.token_url, provider.application, instance)
    return Named(identity, provider.application, instance, provider.statement_digest)


def _provider(settings: Settings, statement: SoftwareStatement) -> AdobePass:
    return AdobePass(
        statement,
        environment=_environment(settings),
        base_url=settings["base_url"],
        device_info=DeviceInfo.detect(),
        device_identifier=settings["device_identifier"],
    )


def _environment(settings: Settings) -> Environment:
    return cast("Environment", settings["environment"])  # whoever uses it looks whether it is one


def _instance(settings: Settings) -> str:
    return settings["instance"] or DEFAULTS["instance"]
