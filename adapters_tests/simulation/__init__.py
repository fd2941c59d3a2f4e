"""A deterministic simulation: several processes with real token sources, and a world that does its worst to them.

A seed decides everything: which faults there are, when they strike, and which process takes the next step. Each process
runs the real `TokenSource`, and the real steps of a renewal effect by effect, against a simulated store, server and
clocks. After each step the invariants are checked; at the end all faults cease, and then everything has to work again.
With even seeds the server is an Adobe Pass, with odd ones an OAuth server, whose ways and clients the seed decides too.

    python -m adapters_tests.simulation SEED     replays a seed and prints its trace
    python -m adapters_tests.simulation A B      runs the seeds from A to B - 1
"""
