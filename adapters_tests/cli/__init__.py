"""The command ``dcrauth``."""
