"""The ``dcrauth`` command: try the library out, run the simulator on its own, move client credentials."""

import argparse
import os
import re
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import parse_qsl

from dcrauth._internal.version import __version__
from dcrauth.cli.output import complain, output, say, shortened, show_any_character
from dcrauth.engine.transfer import NoCredentials, export_credentials, import_credentials
from dcrauth.errors import ConfigurationError, DCRAuthError, StoreCorrupt
from dcrauth.providers.adobe.adobe_pass import ENVIRONMENTS, Environment
from dcrauth.stores import Store, keys
from dcrauth.stores.by_url import KINDS, open_store
from dcrauth.stores.file import FileStore

if TYPE_CHECKING:
    from dcrauth.simulator import OAuthSimulator, Simulator

_STATEMENT = re.compile(r"eyJ[\w-]+\.[\w-]+\.[\w-]*")

_FACTS = {
    "Simulator": ("url", "software_statement"),
    "OAuthSimulator": (
        "issuer",
        "token_endpoint",
        "registration_endpoint",
        "api_url",
        "initial_access_token",
        "software_statement",
    ),
}
"""What is printed of each simulator: names of its attributes."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status: 0 if all went well.

    Parameters:
        arguments: what follows the command's name; by default those of this process.
    """
    show_any_character()
    try:
        return _run(sys.argv[1:] if arguments is None else arguments)
    except ImportError as missing:
        complain(str(missing))
        return 2
    except DCRAuthError as error:
        complain(str(error))
    except OSError as fault:
        complain(f"The system refuses what this takes: {fault}")
    except KeyboardInterrupt:
        return 130
    return 1


def _run(arguments: Sequence[str]) -> int:
    for argument in arguments:
        _check_not_secret(argument)
    try:
        options = _parser().parse_args(arguments)
    except SystemExit:
        with output():  # what was asked for, such as the version, may still be in the buffer
            print(end="", flush=True)
        raise
    status: int = options.run(options)
    return status


def _check_not_secret(argument: str) -> None:
    """Refuse what must not be an argument, which all users of the machine can see, and which shells remember."""
    value = argument.partition("=")[2] if argument.startswith("--") else argument
    _, is_url, rest = argument.partition("://")
    names = [name for name, _ in parse_qsl(rest.partition("?")[2], keep_blank_values=True)] if is_url else []
    if (is_url and "@" in rest) or any(name.lower().endswith("password") for name in names):
        raise _seen_by_others("password", "the URL into $DCRAUTH_STORE")
    if _STATEMENT.search(value):
        raise _seen_by_others("software statement", "it into a file, and name that")
    if keys._parsed(value) is not None:
        raise _seen_by_others("key", "it into a file, and name that (with ./ before a name that looks like a key)")


def _seen_by_others(secret: str, remedy: str) -> ConfigurationError:
    return ConfigurationError(f"A {secret} in an argument can be seen by others: put {remedy}")


class _Parser(argparse.ArgumentParser):
    """A parser that does not quote at length what was given in the wrong place."""

    def error(self, message: str) -> NoReturn:
        super().error(shortened(message))


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(prog="dcrauth", description=__doc__)
    parser.add_argument("--version", action="version", version=f"dcrauth {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    _add_demo(commands.add_parser("demo", help="show the life of a client, against the simulator or the real service"))
    _add_simulate(commands.add_parser("simulate", help="simulate Adobe Pass, or an OAuth server, on loopback"))
    _add_export(commands.add_parser("export", help="write the client credentials of a store to a new file"))
    _add_import(commands.add_parser("import", help="read client credentials from an exported file into a store"))
    return parser


def _add_demo(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--software-statement", metavar="FILE", type=_text, help="run the safe part against the real service"
    )
    parser.add_argument("--environment", choices=tuple(ENVIRONMENTS), help="default: release-production")
    parser.add_argument("--service-provider", metavar="ID", type=_text, help="whose configuration to ask for")
    where = f"keep the client credentials there: {KINDS}; default: nowhere for long"
    parser.add_argument("--store", metavar="WHERE", type=_text, help=where)
    parser.set_defaults(run=_demo)


def _add_simulate(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--oauth", action="store_true", help="an OAuth authorization server instead of Adobe Pass")
    parser.add_argument("--port", type=int, default=0, help="port to listen on (default: any that is free)")
    parser.add_argument("--seconds", type=_seconds, help="stop after so many seconds (default: at Ctrl-C)")
    parser.add_argument("--settings", metavar="FILE", type=_text, help="TOML file that says what it is made with")
    parser.add_argument("--scenario", metavar="FILE", type=_text, help="TOML file that says what goes wrong, and when")
    parser.add_argument("--base-path", metavar="PATH", help="what all its paths begin with")
    parser.add_argument(
        "--authority", metavar="FILE", type=_text, help="speak HTTPS; the certificate to trust is written to this file"
    )
    parser.set_defaults(run=_simulate)


def _add_export(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument(
        "file", metavar="FILE", type=_text, help="a file that does not exist yet; it will hold secrets in plain text"
    )
    parser.set_defaults(run=_export)


def _add_import(parser: argparse.ArgumentParser) -> None:
    _add_store(parser)
    parser.add_argument("--overwrite", action="store_true", help="replace credentials that differ; they are kept aside")
    parser.add_argument("file", metavar="FILE", type=_text, help="what dcrauth export wrote")
    parser.set_defaults(run=_import)


def _add_store(parser: argparse.ArgumentParser) -> None:
    where = f"{KINDS}; default: $DCRAUTH_STORE, or else the user's data directory"
    parser.add_argument("--store", metavar="WHERE", type=_text, help=where)
    parser.add_argument("--prefix", type=_text, help="what the keys in a Redis begin with, if it is not dcrauth:")
    parser.add_argument(
        "--key-file", metavar="FILE", type=_text, action="append", help="the key of an encrypted store; may be repeated"
    )


def _text(argument: str) -> str:
    if not argument.strip():
        raise argparse.ArgumentTypeError("it is empty, as of a variable that is not set")
    return argument


def _seconds(argument: str) -> float:
    with suppress(ValueError):
        if (seconds := float(argument)) >= 0:
            return seconds
    raise argparse.ArgumentTypeError("it is not a number of seconds")


def _demo(options: argparse.Namespace) -> int:
    from dcrauth.cli import demo  # noqa: PLC0415  # needs extras that other commands do not

    if options.software_statement is None:
        if options.environment or options.service_provider or options.store:
            complain("--environment, --service-provider and --store go along with --software-statement only")
            return 2
        return demo.against_simulator()
    if options.service_provider is None:
        complain("--service-provider is needed along with --software-statement")
        return 2
    environment: Environment = options.environment or "release-production"
    store = None if options.store is None else _store_at(options.store, None)
    return demo.against_service(options.software_statement, environment, options.service_provider, store)


def _simulate(options: argparse.Namespace) -> int:
    from dcrauth.simulator import OAuthSimulator, Simulator  # noqa: PLC0415  # need an extra that other commands do not

    kind: type[Simulator | OAuthSimulator] = OAuthSimulator if options.oauth else Simulator
    named = {"port": options.port, "base_path": options.base_path, "tls": options.authority is not None}
    named = {name: value for name, value in named.items() if value}
    with _ending_at_sigterm(), _simulator(kind, options, named) as simulator:
        if options.authority is not None:
            with open(options.authority, "wb") as file:
                file.write(simulator.authority or b"")
        for line in _facts(simulator):
            say(line)
        simulator.wait(options.seconds)
    return 0


def _facts(simulator: "Simulator | OAuthSimulator") -> list[str]:
    """Return what there is to know of *simulator*, a name and a value on each line."""
    names = _FACTS[type(simulator).__name__]
    facts = {"base_url" if name == "url" else name: getattr(simulator, name) for name in names}
    width = max(map(len, facts)) + 2
    return [f"{name:<{width}}{value}" for name, value in {**facts, "page": f"{simulator.url}/"}.items()]


def _simulator(
    kind: "type[Simulator | OAuthSimulator]", options: argparse.Namespace, named: dict[str, Any]
) -> "Simulator | OAuthSimulator":
    """Return the simulator that the options ask for, with its scenario."""
    from dcrauth.simulator import Scenario  # noqa: PLC0415  # as above

    if options.scenario is not None:
        named |= {"scenario": Scenario.from_toml(options.scenario)}
    return kind(**named) if options.settings is None else kind.from_toml(options.settings, **named)


@contextmanager
def _ending_at_sigterm() -> Iterator[None]:
    """Have SIGTERM end the command as Ctrl-C does, with 143."""

    def end(*_: object) -> NoReturn:
        raise SystemExit(128 + signal.SIGTERM)

    if threading.current_thread() is not threading.main_thread():  # signals are told to that one alone
        yield
        return
    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _export(options: argparse.Namespace) -> int:
    store = _store(options)
    try:
        count = export_credentials(store, options.file)
    except NoCredentials:
        raise ConfigurationError(
            f"There are no client credentials in {store!r}, and nothing was exported. Name the store that your "
            "application uses, with --store (and --prefix, if it is a Redis) or $DCRAUTH_STORE"
        ) from None
    except StoreCorrupt as damage:
        if options.key_file:
            raise
        raise StoreCorrupt(f"{damage}. If the store is encrypted, nothing is damaged: give --key-file") from None
    say(f"{count} client credentials written to {options.file}, in plain text")
    return 0


def _import(options: argparse.Namespace) -> int:
    done = import_credentials(_store(options), options.file, overwrite=options.overwrite)
    say(f"{done.written} written, {done.present} already there, {done.kept} different ones kept as they are")
    return 0


def _store(options: argparse.Namespace) -> Store:
    store = _store_at(options.store or os.environ.get("DCRAUTH_STORE"), options.prefix)
    if not options.key_file:
        return store
    from dcrauth.stores.encrypted import EncryptedStore  # noqa: PLC0415  # needs an extra

    # Read at once: where the store is the wrong one, its lack of a record would hide the lack of a key.
    return EncryptedStore(store, keys=[keys.key_from_file(path)() for path in options.key_file])


def _store_at(where: str | None, prefix: str | None) -> Store:
    if where:
        return open_store(where, prefix=prefix)
    if prefix is not None:
        raise ConfigurationError("A prefix is for a Redis: leave it out, or give the URL of one with --store")
    return FileStore()
