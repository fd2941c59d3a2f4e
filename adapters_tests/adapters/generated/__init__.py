"""A client as openapi-python-client 0.29.1 makes it, unchanged: see README.md beside it."""
