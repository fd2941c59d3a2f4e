"""What the fixtures of the pytest plugin do with the simulator."""

from dcrauth.engine.incident_breaker import forget_breaker
from dcrauth.engine.source import TokenSource
from dcrauth.providers.adobe.adobe_pass import AdobePass
from dcrauth.providers.adobe.device_info import DeviceInfo
from dcrauth.simulator import OAuthSimulator, Simulator
from dcrauth.stores.memory import MemoryStore
from dcrauth.testing.manual_clock import ManualClock

_DEVICE = DeviceInfo(
    primary_hardware_type="SetTopBox",
    model="Test",
    version="1",
    os_name="Linux",
    os_version="1",
    connection_type="WiFi",
)


def running(clock: ManualClock) -> Simulator:
    """Return the simulator of a run, to be used with ``with``; it goes by *clock*."""
    return Simulator(clock=clock.wall)


def running_oauth(clock: ManualClock) -> OAuthSimulator:
    """Return the authorization server of a run, to be used with ``with``; it goes by *clock*."""
    return OAuthSimulator(clock=clock.wall)


def reset(simulator: Simulator) -> None:
    """Make *simulator* as new, running, and have this process forget what it was told by it."""
    simulator.start()  # a test may have stopped it
    simulator.reset()
    forget_breaker(provider(simulator).token_url)


def reset_oauth(simulator: OAuthSimulator) -> None:
    """Make *simulator* as new, running, and have this process forget what it was told by it."""
    simulator.start()
    simulator.reset()
    forget_breaker(simulator.token_endpoint)


def provider(simulator: Simulator) -> AdobePass:
    """Return *simulator* as a provider, called from a streaming device."""
    return AdobePass(
        simulator.software_statement, base_url=simulator.url, device_info=_DEVICE, device_identifier="test-device"
    )


def source(simulator: Simulator) -> TokenSource:
    """Return a token source of *simulator*, with a store of its own."""
    return TokenSource(provider(simulator), store=MemoryStore())
