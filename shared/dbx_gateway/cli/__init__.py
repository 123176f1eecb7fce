"""The command line ``dbx-gateway``."""

from dbx_gateway.cli.main import main

__all__ = ["main"]
