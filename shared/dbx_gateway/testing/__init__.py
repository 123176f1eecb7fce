"""A simulated Databricks workspace, to run agents against with no workspace, no key and no network."""
