"""The life of a token: rules, the steps of a renewal, single flight, events."""
