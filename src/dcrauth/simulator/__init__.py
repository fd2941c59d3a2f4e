"""Adobe Pass Authentication on loopback: a real HTTP server to test your own application with.

    with Simulator() as adobe:
        provider = AdobePass(adobe.software_statement, base_url=adobe.url)

It registers clients, grants tokens and checks them, misbehaves when told to, and counts every call.

It stands alone: it imports nothing of the package but its errors and `_internal`, so that it cannot share a mistake
with what it tests. A newcomer starts with `server`, then reads `dcr` and `api`, which answer.
"""

from dcrauth.simulator.behaviour import Behaviour, Fault
from dcrauth.simulator.messages import Call, Counts
from dcrauth.simulator.server import Simulator

__all__ = ["Behaviour", "Call", "Counts", "Fault", "Simulator"]
