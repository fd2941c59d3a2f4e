"""A device that calls the simulator, and holds every answer against the description that the simulator serves."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import jsonschema
import requests

from dcrauth.simulator import Environment, Simulator

INFO = {"model": "Box", "version": "1", "osName": "Linux", "osVersion": "6.1", "connectionType": "LAN"}
SESSION = {"mvpd": "Cablevision", "domainName": "adobe.com", "redirectUrl": "https://app.example/done"}


def base64_of(value: Any) -> str:
    """Return bytes, or a JSON value, in Base64."""
    return base64.b64encode(value if isinstance(value, bytes) else json.dumps(value).encode()).decode()


class Description:
    """What the simulator says of itself at ``/openapi.json``."""

    def __init__(self, adobe: Simulator | Environment) -> None:
        self._url = adobe.url
        self.document = requests.get(f"{adobe.url}/openapi.json", timeout=20).json()

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Each method, path template and operation."""
        for path, operations in self.document["paths"].items():
            for method, operation in operations.items():
                yield method.upper(), path, operation

    def check(self, response: requests.Response) -> None:
        """Hold an answer against what is said of its operation; of one with a wrong method, against all at the path."""
        path = (response.request.url or "").removeprefix(self._url).partition("?")[0]
        there = [(method, each) for method, at, each in self.operations() if re.fullmatch(_pattern(at), path)]
        assert there, path
        exact = [each for method, each in there if method == response.request.method]
        for operation in exact or [each for _, each in there]:
            self._check(operation, response)

    def _check(self, operation: Mapping[str, Any], response: requests.Response) -> None:
        assert str(response.status_code) in operation["responses"], (operation["operationId"], response.status_code)
        content = operation["responses"][str(response.status_code)].get("content")
        if content is None:
            return
        kind = response.headers["Content-Type"].partition(";")[0]
        assert kind in content, (operation["operationId"], kind)
        if kind == "application/json":
            schema = {**content[kind]["schema"], "components": self.document["components"]}
            jsonschema.Draft202012Validator(schema).validate(response.json())


def _pattern(template: str) -> str:
    return re.sub(r"{\w+}", "[^/]+", template) + "/?"


class Caller:
    """An application on a device: a client of its own, and the headers that the API wants.

    Parameters:
        device: what tells the device apart.
        description: what each answer is held against.
    """

    def __init__(self, adobe: Simulator | Environment, description: Description, device: str = "device-1") -> None:
        self._session = requests.Session()
        self._url = adobe.url
        self.description = description
        fields = self._post("/o/client/register", json={"software_statement": adobe.software_statement}).json()
        form = {name: fields[name] for name in ("client_id", "client_secret")}
        token = self._post("/o/client/token", data=form | {"grant_type": "client_credentials"}).json()["access_token"]
        self.headers = {
            "Authorization": f"Bearer {token}",
            "AP-Device-Identifier": f"fingerprint {base64_of(device.encode())}",
            "X-Device-Info": base64_of(INFO),
        }

    def close(self) -> None:
        """Close its connections."""
        self._session.close()

    def send(self, method: str, path: str, *, without: str = "", **options: Any) -> requests.Response:
        """Send a request below the API; a header of `headers` can be left out."""
        headers = {name: value for name, value in self.headers.items() if name != without} | options.pop("headers", {})
        options = {"allow_redirects": False, "timeout": 20} | options
        response = self._session.request(method, f"{self._url}/api/v2/{path}", headers=headers, **options)
        self.description.check(response)
        return response

    def get(self, path: str, **options: Any) -> Any:
        """Return what a GET is answered with 200."""
        return self._good(self.send("GET", f"REF30/{path}", **options))

    def post(self, path: str, **options: Any) -> Any:
        """Return what a POST is answered with 200."""
        return self._good(self.send("POST", f"REF30/{path}", **options))

    def start(self, **parameters: str) -> Any:
        """Create a session."""
        return self.post("sessions", data=SESSION | parameters)

    def decide(self, kind: str, *resources: str, mvpd: str = "Cablevision", **options: Any) -> Any:
        """Return the decisions about *resources*."""
        return self.post(f"decisions/{kind}/{mvpd}", json={"resources": resources}, **options)["decisions"]

    def log_out(self, mvpd: str = "Cablevision", **options: Any) -> Any:
        """Return what is left to do for a logout."""
        return self.get(f"logout/{mvpd}", params={"redirectUrl": "https://app.example"}, **options)["logouts"][mvpd]

    def profiles(self, **options: Any) -> Any:
        """Return the profiles."""
        return self.get("profiles", **options)["profiles"]

    def _post(self, path: str, **options: Any) -> requests.Response:
        response = self._session.post(self._url + path, timeout=20, **options)
        self.description.check(response)
        return response

    @staticmethod
    def _good(response: requests.Response) -> Any:
        assert response.status_code == 200, response.text
        return response.json()
