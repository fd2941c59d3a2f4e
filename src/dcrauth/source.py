"""The token source, where programs have imported it from."""

from dcrauth.engine.source import TokenSource

__all__ = ["TokenSource"]
