"""A load test with locust: many users, one token.

    locust -f locustfile.py --headless --users 50 --spawn-rate 10 --run-time 60s --host https://api.example.com

All users of a locust process share one source, so that the load is on the API and not on the token endpoint.
"""

import os

from locust import HttpUser, constant, task

from dcrauth import AdobePass
from dcrauth.requests import DCRAuth

ADOBE = AdobePass(os.environ["SOFTWARE_STATEMENT"], base_url=os.environ.get("ADOBE_URL"))
AUTH = DCRAuth(ADOBE)


class Viewer(HttpUser):
    """Somebody who asks for the configuration."""

    wait_time = constant(0.1)

    def on_start(self) -> None:
        """Sign what this user sends."""
        self.client.auth = AUTH

    @task
    def configuration(self) -> None:
        """Ask for it."""
        self.client.get("/api/v2/REF30/configuration")
