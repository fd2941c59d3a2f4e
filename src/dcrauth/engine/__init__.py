"""The life of a token: when it is renewed, in which order, by whom, and who is told of it.

Values and rules are at the bottom (`instant`, `records`, `token_life`, `token_refused`, `answers`, `rules`), then
what a renewal asks for (`effects`) and in which order (`renewal`, with `registration`, `token_call`, `client_refused`
and `store_repair`), then the threads that do it (`workers`, with `ready` and `parked` for those who wait, `calls` and
`exit`), what performs it (`driver` with `store_effects`, and `turn` for one go at it) and lets many wait for one
(`single_flight`, `event_loops`), and the `source` on top; `sources` has many of them. It may import stores, transports,
providers and what is below these, never an adapter.

=============================================== ====================================
how long a token lives, and when it is renewed   `token_life`
what a 401 leads to                              `token_refused`, `rules.course`
two processes that register at once              `registration`
what is sent after ``invalid_client``            `client_refused`
a store that has lost what it had                `store_repair`
many that want one renewal                       `single_flight`
event loops, which nothing may block             `event_loops`
how many renewals run at once, and which first   `workers`, `ready`
what waits for longer than a second              `parked`
=============================================== ====================================

A newcomer starts with `renewal`, whose generator tells the order of a renewal, and `rules`, where every decision is.
"""
