"""What ``dcrauth check`` looks at, one subject a file; each yields findings, and none prints.

They change nothing: no check registers, asks for a token or writes beside the store's own probe, unless it is asked to.
What all of them yield is in `dcrauth.cli.findings`; a newcomer starts with `statement`, the shortest.
"""
