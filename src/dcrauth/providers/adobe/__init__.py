"""Adobe Pass Authentication: its environments and calls, its device information, its errors.

It may import what its parent folder may. A newcomer starts with `adobe_pass`.
"""
