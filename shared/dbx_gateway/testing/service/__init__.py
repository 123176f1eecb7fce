"""The workspace as a service: accounts, catalog, listings, ledger, and the way of a request through it."""
