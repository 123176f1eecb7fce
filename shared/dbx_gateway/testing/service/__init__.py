"""The workspace as a service: accounts, catalog, listings, ledger, and the handling of a request."""
