"""Adobe Pass Authentication on loopback: a real HTTP server to test your own application with.

    with Simulator() as adobe:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)

It registers clients, grants tokens and checks them, misbehaves when told to, and counts every call.
"""

from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.messages import Call, Counts
from dcrauth.simulator.server import Simulator
from dcrauth.simulator.world import Mvpd, Resource, ServiceProvider, User, World

__all__ = ["Behaviour", "Call", "Counts", "Fault", "Mvpd", "Resource", "ServiceProvider", "Simulator", "User", "World"]
