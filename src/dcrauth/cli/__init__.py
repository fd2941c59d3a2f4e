"""The command ``dcrauth``: its `commands`, the demonstration, and what they print.

On top of everything: it may import all other folders, and none imports it. A newcomer starts with `commands`.
"""
