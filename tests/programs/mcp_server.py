"""A server of the model context protocol over stdio, with tools whose schemas are hard on models."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.server.lowlevel import Server
from mcp.server.stdio import stdio_server
from mcp.types import TextContent, Tool

SCHEMAS: dict[str, dict[str, Any]] = {
    "refs": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"place": {"$ref": "#/$defs/Place"}},
        "required": ["place"],
        "$defs": {
            "Place": {
                "type": "object",
                "properties": {"city": {"type": "string", "minLength": 1, "maxLength": 80}},
                "required": ["city"],
            }
        },
    },
    "unions": {
        "type": "object",
        "properties": {"number": {"anyOf": [{"type": "integer", "minimum": 0}, {"type": "null"}], "default": None}},
        "required": ["number"],
    },
    "pattern": {
        "type": "object",
        "properties": {"code": {"type": "string", "pattern": "^[A-Za-z]+$", "examples": ["Oslo"]}},
        "required": ["code"],
        "additionalProperties": False,
    },
    "nothing": {"type": "object"},
    "odd_names": {
        "type": "object",
        "properties": {"user.name": {"type": "string"}, "$top": {"type": "integer"}},
        "required": ["user.name", "$top"],
    },
}

server: Server = Server("ugly")


@server.list_tools()
async def tools() -> list[Tool]:
    return [Tool(name=name, description=f"The tool {name}.", inputSchema=schema) for name, schema in SCHEMAS.items()]


@server.call_tool()
async def call(name: str, arguments: dict[str, Any]) -> list[TextContent]:
    return [TextContent(type="text", text=f"{name} got {sorted(arguments.items())}")]


async def main() -> None:
    async with stdio_server() as (reading, writing):
        await server.run(reading, writing, server.create_initialization_options())


if __name__ == "__main__":
    asyncio.run(main())
