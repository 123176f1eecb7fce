"""The schemas of tools and answers: made of classes, and rewritten for a model in one ordered chain.

The chain has two halves, in this order. :mod:`dbx_gateway.schemas.chain` does what a model's vendor asks for, before a
request is written. Then the request is written for its api (an api that enforces schemas closes their objects there:
:mod:`dbx_gateway.dialects.messages.schema`), and the quirks about schemas, in the order of their table, do what the
workspace asks for (:mod:`dbx_gateway.quirks.catalogue`).
"""
