"""Adobe Pass Authentication, or any OAuth server, on loopback: a real HTTP server to test your own application with.

    with Simulator() as adobe:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)

`OAuthSimulator` is an authorization server that follows the specifications, or does what other servers do.

Either registers clients, grants tokens and checks them, misbehaves when told to, counts every call, and has a page on
which all of that can be watched.

It stands alone: it imports nothing of the package but its errors and `_internal`, so that it cannot share a mistake
with what it tests. A newcomer starts with `server`, then reads `pass_run`, which a call comes to, and `dcr` and `api`,
which answer; what every simulator has in common is in `serving`, `service`, `run` and `control`.
"""

from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.calls import Calls
from dcrauth.simulator.environment import Environment
from dcrauth.simulator.messages import Call, Counts, Reply
from dcrauth.simulator.oauth.behaviour import OAuthBehaviour
from dcrauth.simulator.oauth.clients import OAuthClient
from dcrauth.simulator.oauth.messages import OAuthCall, OAuthCounts
from dcrauth.simulator.oauth.server import OAuthSimulator
from dcrauth.simulator.scenario import Scenario, Step
from dcrauth.simulator.server import Simulator
from dcrauth.simulator.world import Mvpd, Resource, ServiceProvider, User, World

__all__ = [
    "Behaviour",
    "Call",
    "Calls",
    "Counts",
    "Environment",
    "Fault",
    "Mvpd",
    "OAuthBehaviour",
    "OAuthCall",
    "OAuthClient",
    "OAuthCounts",
    "OAuthSimulator",
    "Reply",
    "Resource",
    "Scenario",
    "ServiceProvider",
    "Simulator",
    "Step",
    "User",
    "World",
]
