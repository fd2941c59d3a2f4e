"""An OAuth authorization server on loopback, and an API that it protects; `server` is where it begins.

Everything that is not OAuth's (sockets, faults, scenarios, clock, record of calls, controls, page) is that of the
simulator of Adobe Pass, one folder up.
"""
