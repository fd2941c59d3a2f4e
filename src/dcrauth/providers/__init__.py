"""Authorization servers: what they are asked, what their answers say, and where their tokens may go.

Pure: nothing here does any I/O. `protocol` says what a provider is, `origins` where secrets may go,
`software_statement` what an application shows; each provider has a folder. It may import values and errors only.
A newcomer starts with `protocol`.
"""
