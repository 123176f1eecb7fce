"""The transport core of dbx-gateway: chat with every model family a Databricks workspace serves."""

__version__ = "0.1.0"
