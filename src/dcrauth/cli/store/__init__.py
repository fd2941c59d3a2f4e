"""``dcrauth store``: moving a store, looking after it, and what it needs before it can be used; `app` names them."""
