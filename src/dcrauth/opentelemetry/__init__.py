"""Spans and metrics of OpenTelemetry about renewals, for all token sources of the process.

Call `instrument` once, where the SDK is set up. A renewal that somebody waits for is part of the trace of who has asked
for it; any other one is a trace of its own, with a link to that. No span and no metric holds a secret, and the
attributes of metrics are from closed sets: there are as many time series with one identity as with ten thousand.
"""

try:
    from opentelemetry import metrics, trace
except ImportError as missing:
    raise ImportError(
        "dcrauth.opentelemetry needs opentelemetry-api; run: pip install dcrauth[opentelemetry]"
    ) from missing

from dcrauth._internal.arguments import wrong
from dcrauth._internal.version import __version__
from dcrauth.engine.observer import OBSERVING
from dcrauth.errors import ConfigurationError
from dcrauth.opentelemetry._instruments import Instruments
from dcrauth.opentelemetry._spans import Telemetry

__all__ = ["instrument", "uninstrument"]


def instrument(
    *, tracer_provider: trace.TracerProvider | None = None, meter_provider: metrics.MeterProvider | None = None
) -> None:
    """Make spans and metrics of what all token sources of this process do from now on.

    Parameters:
        tracer_provider: where spans go; by default the global one.
        meter_provider: where metrics go; by default the global one.

    Raises:
        ConfigurationError: an argument is wrong, or it is instrumented already.
    """
    if not isinstance(tracer_provider, trace.TracerProvider | None):
        raise wrong("tracer_provider", "a TracerProvider", tracer_provider)
    if not isinstance(meter_provider, metrics.MeterProvider | None):
        raise wrong("meter_provider", "a MeterProvider", meter_provider)
    if OBSERVING.observer is not None:
        raise ConfigurationError("dcrauth is instrumented already: call dcrauth.opentelemetry.uninstrument() before")
    tracer = trace.get_tracer("dcrauth", __version__, tracer_provider)
    OBSERVING.observer = Telemetry(tracer, Instruments(metrics.get_meter("dcrauth", __version__, meter_provider)))


def uninstrument() -> None:
    """Make no more of them; nothing is done where `instrument` was not called."""
    telemetry, OBSERVING.observer = OBSERVING.observer, None
    if isinstance(telemetry, Telemetry):
        telemetry.instruments.is_in_use = False
