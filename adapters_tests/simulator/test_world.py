"""The simulated world: from Python, from TOML and over the control API, and what is told of mistakes in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import requests

from adapters_tests.simulator.described import SESSION, Caller, Description
from dcrauth import ConfigurationError
from dcrauth.simulator import Mvpd, Resource, ServiceProvider, Simulator, User, World
from dcrauth.simulator.settings import Settings

TOML = """
[[service_providers]]
id = "CHANNEL"
domains = ["channel.example"]
mvpds = ["Cable"]

[[mvpds]]
id = "Cable"
display_name = "The Cable"
profile_life = 3600

[[users]]
name = "bob"
password = "secret"
resources = ["news"]
attributes = { userID = "b-1", zip = ["10001"] }

[[resources]]
id = "news"

[[resources]]
id = "late"
error = "network_connection_timeout"
"""


def written(folder: Path, text: str) -> Path:
    """A file with this text."""
    path = folder / "world.toml"
    path.write_text(text)
    return path


def test_a_world_in_toml(tmp_path: Path) -> None:
    """A file says the same as Python; what it leaves out is as usual."""
    assert World.from_toml(written(tmp_path, TOML)) == World(
        service_providers=(ServiceProvider(id="CHANNEL", domains=("channel.example",), mvpds=("Cable",)),),
        mvpds=(Mvpd(id="Cable", display_name="The Cable", profile_life=3600),),
        users=(
            User(name="bob", password="secret", resources=("news",), attributes={"userID": "b-1", "zip": ["10001"]}),
        ),
        resources=(Resource(id="news"), Resource(id="late", error="network_connection_timeout")),
    )
    assert World.from_toml(written(tmp_path, "")) == World()


def test_the_world_of_the_docs(tmp_path: Path) -> None:
    """The example in docs/testing.md is a world, by itself and as a part of a simulator's settings."""
    page = (Path(__file__).parents[2] / "docs" / "testing.md").read_text(encoding="utf-8")
    (text,) = re.findall(r"```toml\n(\[\[mvpds.*?)```", page, re.DOTALL)
    assert [each.id for each in World.from_toml(written(tmp_path, text)).mvpds] == ["Cable", "Trial"]
    settings = Settings.from_toml(written(tmp_path, text.replace("[[", "[[world.")))
    assert settings.world == World.from_toml(written(tmp_path, text))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("nonsense", "is no TOML"),
        ('[[mvpds]]\ndisplay_name = "x"', "needs id"),
        ('[[mvpds]]\nid = "x"\ncolour = "red"', "has no 'colour'"),
        ("[[mvpds]]\nid = 5", "id of entry 1 of mvpds"),
        ('[[mvpds]]\nid = "x"\ndegraded = "somewhat"', "authn-all"),
        ('[[mvpds]]\nid = "x"\n[[mvpds]]\nid = "x"', "different ones"),
        ('[[mvpds]]\nid = ""', "need an id"),
        ('[[users]]\nname = "bob"\nmvpd = "Nobody"', "names 'Nobody'; there is Cablevision, Dish"),
        ('[[service_providers]]\nid = "REF30"\nmvpds = ["Nobody"]', "service provider 'REF30' names 'Nobody'"),
        ('[[mvpds]]\nid = "x"\npartners = ["Nobody"]', "names 'Nobody'; there is Apple"),
        ('users = "bob"', "users of"),
    ],
)
def test_mistakes_in_a_file(tmp_path: Path, text: str, told: str) -> None:
    """One sentence says which entry is wrong, and what would be right."""
    with pytest.raises(ConfigurationError, match=told.replace("[", r"\[")):
        World.from_toml(written(tmp_path, text))


def test_no_file(tmp_path: Path) -> None:
    """A file that is not there, or no text, is told by its name."""
    with pytest.raises(ConfigurationError, match=r"nothing\.toml cannot be read"):
        World.from_toml(tmp_path / "nothing.toml")
    (tmp_path / "odd.toml").write_bytes(b"\xff")
    with pytest.raises(ConfigurationError, match=r"odd\.toml is no TOML"):
        World.from_toml(tmp_path / "odd.toml")


def test_passwords_are_not_shown() -> None:
    """The repr of a world has no password in it."""
    assert "secret" not in repr(World(users=(User(name="bob", password="secret"),)))


def test_a_simulator_with_a_world_of_its_own() -> None:
    """The channels, MVPDs and users of a world are those that the calls find."""
    with Simulator(world=World(service_providers=(ServiceProvider(id="CHANNEL"),))) as adobe:
        assert adobe.world.service_provider("REF30") is None


def test_a_world_over_the_control_api(adobe: Simulator, caller: Caller) -> None:
    """Another program replaces parts of the world, logs a user in, ends profiles, and is told of mistakes."""

    def control(name: str, **fields: object) -> requests.Response:
        return requests.post(f"{adobe.url}/control/{name}", json=fields, timeout=20)

    assert control("world", users=[{"name": "bob", "mvpd": "Cablevision"}]).status_code == 200
    assert adobe.world == World(users=(User(name="bob", mvpd="Cablevision"),))
    code = caller.start()["code"]
    assert control("log-in", code=code, user="alice").status_code == 400
    assert control("log-in", code=code, user="bob").status_code == 200
    assert set(caller.profiles()) == {"Cablevision"}
    assert control("expire-profiles").status_code == 200
    assert caller.profiles() == {}
    for wrong in ({"users": [{"name": 5}]}, {"colours": []}, {"users": [{"name": "a", "mvpd": "Nobody"}]}):
        answer = control("world", **wrong)
        assert (answer.status_code, bool(answer.json()["error"])) == (400, True)


def test_names_that_no_url_has_as_they_are() -> None:
    """A channel and an MVPD may be called anything: the URLs that are told have their names encoded."""
    cable = Mvpd(id="Câble & Co/1")
    world = World(service_providers=(ServiceProvider(id="CH É"),), mvpds=(cable,), users=(User(name="bob"),))
    with Simulator(world=world) as adobe:
        caller = Caller(adobe, Description(adobe))
        begun = caller.send("POST", "CH%20%C3%89/sessions", data=SESSION | {"mvpd": cable.id}).json()
        assert begun["url"] == f"/api/v2/authenticate/CH%20%C3%89/{begun['code']}"
        adobe.log_in(begun["code"], "bob")
        ready = caller.send("POST", "CH%20%C3%89/sessions", data=SESSION | {"mvpd": cable.id}).json()
        assert ready["url"] == "/api/v2/CH%20%C3%89/decisions/authorize/C%C3%A2ble%20%26%20Co%2F1"
        assert caller.send("POST", ready["url"].removeprefix("/api/v2/"), json={"resources": ["news"]}).ok
