"""Write the golden anew."""

from adapters_tests.adapters.wire import GOLDEN, told
from adapters_tests.adapters.wire.recording import recorded

GOLDEN.write_text(told(recorded("requests")), encoding="utf-8")
