"""Tests for what users write themselves: `dcrauth.testing.store_contract` for stores."""

try:
    import pytest
except ImportError as missing:
    raise ImportError("dcrauth.testing needs pytest; run: pip install pytest") from missing

# So that a broken promise is shown with the values that broke it.
pytest.register_assert_rewrite("dcrauth.testing.store_contract", "dcrauth.testing._races")
