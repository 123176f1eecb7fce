"""Agents of both frameworks with the tools of a server of the model context protocol, whose schemas are ugly."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from langchain.agents import create_agent
from langchain_core.messages import HumanMessage
from langchain_mcp_adapters.client import MultiServerMCPClient
from llama_index.core.agent.workflow import FunctionAgent
from llama_index.tools.mcp import BasicMCPClient, McpToolSpec

SERVER = str(Path(__file__).with_name("mcp_server.py"))

CALLS = [
    ("refs in 'Oslo'", "refs got", "'city': 'Oslo'"),
    ("unions of 7", "unions got", "('number', 7)"),
    ("pattern of 'Oslo'", "pattern got", "('code', 'Oslo')"),
    ("nothing", "nothing got", "[]"),
    ("odd_names for 'Ann', 3", "odd_names got", "('user.name', 'Ann')"),
]


@pytest.mark.parametrize(("text", "ran", "with_what"), CALLS, ids=[call[0].split()[0] for call in CALLS])
async def test_langchain_calls_a_tool_with_an_ugly_schema(chat, sent, text, ran, with_what):
    client = MultiServerMCPClient({"ugly": {"transport": "stdio", "command": sys.executable, "args": [SERVER]}})
    agent = create_agent(chat, await client.get_tools())

    state = await agent.ainvoke({"messages": [HumanMessage(text)]}, {"recursion_limit": 25})

    assert ran in state["messages"][-1].text
    assert with_what in state["messages"][-1].text
    assert len(sent()) == 2


@pytest.mark.parametrize(("text", "ran", "with_what"), CALLS, ids=[call[0].split()[0] for call in CALLS])
async def test_llama_index_calls_a_tool_with_an_ugly_schema(llm, sent, text, ran, with_what):
    tools = await McpToolSpec(BasicMCPClient(sys.executable, args=[SERVER])).to_tool_list_async()

    answer = await FunctionAgent(llm=llm, tools=tools).run(text)

    assert ran in str(answer)
    assert with_what in str(answer)
    assert len(sent()) == 2
