# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # DbxGateway
#
# `DbxGateway` is a LlamaIndex LLM for every model that a Databricks workspace serves, on Model Serving and on AI Gateway,
# and `DbxGatewayEmbedding` is the same for embeddings. This notebook runs from top to bottom against your workspace, and
# without one against a simulated workspace on this machine.
#
# ## Setup
#
# ### Installation

# %% tags=["skip-execution"]
# %pip install -qU "dbx-gateway[llama-index,sim]"

# %% [markdown]
# ### Credentials
#
# They are found as every Databricks tool finds them: arguments (`host=`, `token=`, `config_profile=`,
# `workspace_client=`), environment variables, the Databricks config file, the Databricks notebook you are in. Where
# nothing of this is set, the next cell starts a simulated workspace: no key, no network, and nothing to pay.

# %%
import os

if not any(
    name in os.environ for name in ("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_RUNTIME_VERSION")
):
    from dbx_gateway.testing import Workspace, serve

    server = serve(Workspace())
    os.environ |= {"DATABRICKS_HOST": server.url, "DATABRICKS_TOKEN": server.workspace.token}

# %% [markdown]
# ### A model
#
# Any model of the workspace: a name of Model Serving or AI Gateway (`databricks-…`), a Unity Catalog name
# (`system.ai.…`), or an endpoint of your own. An object needs no network and no credentials until it is called, and
# knows the model's context window.

# %%
from llama_index_dbx_gateway import DbxGateway

llm = DbxGateway(model="databricks-claude-sonnet-4-5", temperature=0, max_tokens=2000, timeout=60)
print(llm.metadata.context_window, llm.metadata.is_function_calling_model)

# %% [markdown]
# ## Complete

# %%
print(llm.complete("A lakehouse is"))

# %% [markdown]
# ## Chat

# %%
from llama_index.core.llms import ChatMessage

messages = [
    ChatMessage(role="system", content="You translate English to French. Answer with the translation only."),
    ChatMessage(role="user", content="I love programming."),
]
response = llm.chat(messages)
print(response.message.content)

# %% [markdown]
# Where the answer came from, and how it ended:

# %%
exchange = response.raw["exchange"]
print(exchange["surface"], exchange["api"], response.raw["choices"][0]["finish_reason"])

# %% [markdown]
# ## Streaming
#
# `delta` is what is new, `message` is all so far.

# %%
for chunk in llm.stream_chat(messages):
    print(chunk.delta, end="|", flush=True)
print()
assert chunk.message.content

# %%
for chunk in llm.stream_complete("A lakehouse is"):
    print(chunk.delta, end="|", flush=True)
print()

# %% [markdown]
# ## Async
#
# A notebook's event loop is running already: `await` at the top of a cell works, and the sync calls above do too.

# %%
import asyncio

answers = await asyncio.gather(llm.acomplete("Say one"), llm.acomplete("Say two"))
print(*answers, sep="\n")

# %%
async for chunk in await llm.astream_chat(messages):
    print(chunk.delta, end="|", flush=True)
print()

# %% [markdown]
# ## Tools
#
# Calls whose arguments were cut are never handed out.

# %%
from llama_index.core.tools import FunctionTool


def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It is sunny in {city}."


def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


tools = [FunctionTool.from_defaults(get_weather), FunctionTool.from_defaults(add)]
asked = llm.chat_with_tools(tools, "Use get_weather for 'Paris', and add 2 and 3.", allow_parallel_tool_calls=True)
for call in llm.get_tool_calls_from_response(asked):
    print(call.tool_name, call.tool_kwargs)

# %% [markdown]
# `predict_and_call` runs what the model chose:

# %%
print(llm.predict_and_call(tools, "Please add 4 and 5."))

# %% [markdown]
# ## Structured prediction
#
# By the model's own JSON schema where it has one, else by a tool that it is made to call; whole, streamed, async.

# %%
from llama_index.core.prompts import PromptTemplate
from pydantic import BaseModel, Field


class City(BaseModel):
    """A city."""

    name: str
    people: int = Field(description="in millions", ge=0)


prompt = PromptTemplate("Which city is '{city}'? About {people} million people live there.")
print(repr(llm.structured_predict(City, prompt, city="Osaka", people=19)))

# %%
*growing, finished = llm.stream_structured_predict(City, prompt, city="Osaka", people=19)
print(repr(finished))

# %%
structured = llm.as_structured_llm(City)
print(repr(structured.chat([ChatMessage(prompt.format(city="Lima", people=10))]).raw))

# %% [markdown]
# ## Reasoning
#
# `reasoning_effort` or `thinking` switch it on. Thoughts come as `thinking_delta` while they stream and as a
# `ThinkingBlock` in the message, and go back to the model with their signature in the next turn.

# %%
from llama_index.core.base.llms.types import ThinkingBlock

thinker = DbxGateway(model="databricks-claude-sonnet-4-5", thinking=1024, max_tokens=4000)
thought = thinker.chat([ChatMessage("What is 17 times 23?")])
for block in thought.message.blocks:
    print(block.block_type, block.content if isinstance(block, ThinkingBlock) else block.text, sep=": ")

# %% [markdown]
# ## Images
#
# By URL, by path or as bytes. PDF, audio and video go the same way where the model takes them.

# %%
import struct
import zlib

from llama_index.core.llms import ImageBlock, TextBlock


def red_square(side: int) -> bytes:
    """Return a PNG picture: a red square."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\x00" + b"\xff\x00\x00" * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


picture = ImageBlock(image=red_square(64), image_mimetype="image/png")
look = ChatMessage(role="user", blocks=[TextBlock(text="What colour is this?"), picture])
print(llm.chat([look]).message.content)

# %% [markdown]
# ## Token usage
#
# Exact, once, whole and streamed, with what was read from a cache and what was spent on reasoning.
# `TokenCountingHandler` counts the same numbers.

# %%
response.raw["usage"]

# %%
from llama_index.core.callbacks import CallbackManager, TokenCountingHandler

counter = TokenCountingHandler()
counted = DbxGateway(model="databricks-claude-sonnet-4-5", callback_manager=CallbackManager([counter]))
reported = [counted.complete("Say one").raw["usage"]["total_tokens"]]
*_, last = counted.stream_complete("Say two")
reported.append(last.raw["usage"]["total_tokens"])
assert counter.total_llm_token_count == sum(reported)
print(counter.total_llm_token_count)

# %% [markdown]
# ## FunctionAgent

# %%
from llama_index.core.agent.workflow import FunctionAgent, ToolCallResult

agent = FunctionAgent(llm=llm, tools=tools, system_prompt="You are a helpful assistant.")
run = agent.run("Use get_weather for 'Oslo', then add 4 and 5.")
async for event in run.stream_events():
    if isinstance(event, ToolCallResult):
        print(event.tool_name, event.tool_kwargs, event.tool_output.content)
print(await run)

# %% [markdown]
# ## AgentWorkflow: two families in one conversation
#
# The first agent thinks with GPT and hands over to one that adds with Gemini; the conversation goes along.

# %%
from llama_index.core.agent.workflow import AgentWorkflow

greeter = FunctionAgent(
    name="greeter",
    description="Welcomes people and hands over to who can help.",
    system_prompt="You welcome people. Hand off to who can help.",
    llm=DbxGateway(model="databricks-gpt-5-2"),
    can_handoff_to=["calculator"],
)
calculator = FunctionAgent(
    name="calculator",
    description="Adds numbers.",
    system_prompt="You add numbers with your tool.",
    llm=DbxGateway(model="databricks-gemini-3-pro"),
    tools=[add],
)
workflow = AgentWorkflow(agents=[greeter, calculator], root_agent="greeter")
answer = await workflow.run('Please handoff to "calculator" because of "sums", then add 20 and 22.')
print(answer.current_agent_name, answer, sep=": ")

# %% [markdown]
# ## RAG
#
# Documents become vectors with `DbxGatewayEmbedding`, and questions are answered from what is near.

# %%
from llama_index.core import Document, Settings, VectorStoreIndex

from llama_index_dbx_gateway import DbxGatewayEmbedding

Settings.llm = llm
Settings.embed_model = DbxGatewayEmbedding(model="databricks-gte-large-en")

texts = ["Cats sleep all day.", "Tables hold rows and columns.", "Rivers run to the sea."]
index = VectorStoreIndex.from_documents([Document(text=text) for text in texts])
(nearest,) = index.as_retriever(similarity_top_k=1).retrieve("What do tables hold?")
print(nearest.text)

# %%
print(index.as_query_engine(similarity_top_k=1).query("What do tables hold?"))

# %%
engine = index.as_chat_engine(similarity_top_k=1)
streamed = await engine.astream_chat("What do tables hold?")
async for token in streamed.async_response_gen():
    print(token, end="|", flush=True)
print()
print(len(engine.chat_history))

# %% [markdown]
# ## API reference
#
# [docs/llama_index.md](../docs/llama_index.md) shows the rest, and a table of features with the test that proves each.
# Every class and argument is described in its docstring: `help(DbxGateway)`.
