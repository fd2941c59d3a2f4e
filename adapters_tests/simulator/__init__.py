"""The simulator of Adobe Pass."""
