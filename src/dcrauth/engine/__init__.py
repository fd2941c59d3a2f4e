"""The life of a token: when it is renewed, in which order, by whom, and who is told of it.

Values and rules are at the bottom (`rules`, `answers`, `records`, `identity`), then what a renewal asks for
(`effects`) and in which order (`renewal`, `repair`), then the threads that do it (`workers`, with `ready` and `parked`
for those who wait, `calls` and `exit`), what performs it (`driver`, and `turn` for one go at it), and lets many wait
for one (`single_flight`), and the `source` on top. It may import stores, transports, providers and what is below these,
never an adapter.
A newcomer starts with `renewal`, whose generator tells the order of a renewal, and `rules`, where every decision is.
"""
