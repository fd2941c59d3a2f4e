"""Tests for what users write themselves: `dcrauth.testing.store_contract` for stores.

It may import whatever it tests and what is below that. A newcomer starts with `store_contract`, which says line by line
what a store has to do.
"""

try:
    import pytest
except ImportError as missing:
    raise ImportError("dcrauth.testing needs pytest; run: pip install pytest") from missing

# So that a broken promise is shown with the values that broke it.
pytest.register_assert_rewrite("dcrauth.testing.store_contract", "dcrauth.testing._races")
