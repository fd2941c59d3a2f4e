"""What the adapters for the HTTP libraries share: no rule, and nothing of the engine but its source.

The adapters themselves are modules of the package, where users import them: ``dcrauth.requests`` and so on. A newcomer
starts with `adapter`.
"""
