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
# # ChatDbxGateway
#
# `ChatDbxGateway` is a LangChain chat model for every LLM that a Databricks workspace serves, on Model Serving and on
# AI Gateway. This notebook runs from top to bottom against your workspace, and without one against a simulated
# workspace on this machine.
#
# ## Overview
#
# ### Integration details
#
# | Class | Package | Serializable | JS support |
# | :--- | :--- | :---: | :---: |
# | `ChatDbxGateway` | `dbx-gateway`, extra `langchain` | yes | no |
#
# ### Model features
#
# What a model can do depends on the model; `llm.profile` says it for each.
#
# | Tool calling | Structured output | JSON mode | Image input | Audio input | Video input | Token-level streaming | Native async | Token usage | Logprobs |
# | :---: | :---: | :---: | :---: | :---: | :---: | :---: | :---: | :---: | :---: |
# | yes | yes | yes | yes | Gemini | Gemini | yes | yes | yes | yes |

# %% [markdown]
# ## Setup
#
# ### Credentials
#
# They are found as every Databricks tool finds them: arguments (`host=`, `token=`, `config_profile=`,
# `workspace_client=`), environment variables, the Databricks config file, the Databricks notebook you are in. Outside of
# one, and without `DATABRICKS_HOST` or `DATABRICKS_CONFIG_PROFILE`, the next cell but one starts a simulated workspace.
#
# ### Installation

# %% tags=["skip-execution"]
# %pip install -qU "dbx-gateway[langchain,sim]" langchain

# %%
import os

if not any(
    name in os.environ for name in ("DATABRICKS_HOST", "DATABRICKS_CONFIG_PROFILE", "DATABRICKS_RUNTIME_VERSION")
):
    from dbx_gateway.testing import Workspace, serve

    server = serve(Workspace())
    os.environ |= {"DATABRICKS_HOST": server.url, "DATABRICKS_TOKEN": server.workspace.token}

# %% [markdown]
# ## Instantiation
#
# Any model of the workspace: a name of Model Serving or AI Gateway (`databricks-…`), a Unity Catalog name
# (`system.ai.…`), or an endpoint of your own. An object needs no network and no credentials until it is called.

# %%
from langchain_dbx_gateway import ChatDbxGateway

llm = ChatDbxGateway(
    model="databricks-claude-sonnet-4-5",
    temperature=0,
    max_tokens=2000,
    timeout=60,
    max_retries=2,
)
llm.profile["max_input_tokens"]

# %% [markdown]
# ## Invocation

# %%
messages = [
    ("system", "You translate English to French. Answer with the translation only."),
    ("human", "I love programming."),
]
answer = llm.invoke(messages)
print(answer.text)

# %% [markdown]
# Where the answer came from, and how it ended:

# %%
{name: answer.response_metadata[name] for name in ("model_name", "model_provider", "surface", "api", "finish_reason")}

# %% [markdown]
# ### Streaming
#
# Chunks add up to the message.

# %%
full = None
for chunk in llm.stream(messages):
    print(chunk.text, end="|", flush=True)
    full = chunk if full is None else full + chunk
print()
assert full.text

# %% [markdown]
# ### Async
#
# A notebook's event loop is running already: `await` at the top of a cell works, and the sync calls above do too.

# %%
answers = await llm.abatch(["Say one", "Say two"])
print(*(answer.text for answer in answers), sep="\n")

# %%
async for chunk in llm.astream("Count to three"):
    print(chunk.text, end="|", flush=True)
print()

# %% [markdown]
# ## Chaining

# %%
from langchain_core.prompts import ChatPromptTemplate

prompt = ChatPromptTemplate([("system", "You translate {source} to {target}."), ("human", "{text}")])
chain = prompt | llm
print(chain.invoke({"source": "English", "target": "German", "text": "I love programming."}).text)

# %% [markdown]
# ## Tool calling

# %%
from langchain_core.tools import tool


@tool
def get_weather(city: str) -> str:
    """Tells the weather of a city."""
    return f"It is sunny in {city}."


@tool
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


llm_with_tools = llm.bind_tools([get_weather, add])
question = ("human", "Use get_weather for 'Paris', and add 2 and 3.")
calls = llm_with_tools.invoke([question])
for call in calls.tool_calls:
    print(call["name"], call["args"])

# %% [markdown]
# The results go back with the answer that asked for them:

# %%
tools = {"get_weather": get_weather, "add": add}
results = [tools[call["name"]].invoke(call) for call in calls.tool_calls]
print(llm_with_tools.invoke([question, calls, *results]).text)

# %% [markdown]
# ## Structured output

# %%
from pydantic import BaseModel, Field


class Joke(BaseModel):
    """A joke to tell."""

    setup: str = Field(description="how it begins")
    punchline: str = Field(description="how it ends")
    rating: int = Field(description="how funny it is, from 1 to 10", ge=1, le=10)


joke = llm.with_structured_output(Joke).invoke("Tell a joke about cats, rated 7.")
print(repr(joke))

# %% [markdown]
# ## Reasoning
#
# `reasoning_effort` or `thinking` switch it on; it comes as blocks of its own, streamed or not, and goes back to the
# model with its signature in the next turn.

# %%
thinker = ChatDbxGateway(model="databricks-claude-sonnet-4-5", thinking=1024, max_tokens=4000)
thought = thinker.invoke("What is 17 times 23?")
for block in thought.content_blocks:
    print(f"{block['type']}: {block.get('reasoning') or block.get('text')}")

# %% [markdown]
# ## Images
#
# By URL or as bytes. PDF, audio and video go the same way where the model takes them.

# %%
import base64
import struct
import zlib


def red_square(side: int) -> bytes:
    """Return a PNG picture: a red square."""

    def part(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    rows = (b"\x00" + b"\xff\x00\x00" * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + part(b"IHDR", header) + part(b"IDAT", zlib.compress(rows)) + part(b"IEND", b"")


picture = base64.b64encode(red_square(64)).decode()
look = {
    "role": "user",
    "content": [
        {"type": "text", "text": "What colour is this?"},
        {"type": "image", "base64": picture, "mime_type": "image/png"},
    ],
}
print(llm.invoke([look]).text)

# %% [markdown]
# ## Token usage
#
# Exact, once, on invoke and on stream, with what was read from a cache and what was spent on reasoning.

# %%
answer.usage_metadata

# %%
from langchain_core.callbacks import get_usage_metadata_callback

with get_usage_metadata_callback() as usage:
    llm.invoke("Say one")
    for _ in llm.stream("Say two"):
        pass
usage.usage_metadata

# %% [markdown]
# ## Agents
#
# The model's profile lets `create_agent` choose the model's own structured output. The middleware has the system
# prompt, the tools and the conversation cached, where the model takes cache marks.

# %%
from langchain.agents import create_agent
from langgraph.checkpoint.memory import InMemorySaver

from langchain_dbx_gateway.middleware import DbxPromptCachingMiddleware


class Report(BaseModel):
    """What to tell the user."""

    summary: str


agent = create_agent(
    llm,
    tools=[get_weather, add],
    system_prompt="You are a helpful assistant.",
    response_format=Report,
    middleware=[DbxPromptCachingMiddleware()],
    checkpointer=InMemorySaver(),
)
thread = {"configurable": {"thread_id": "1"}}
state = agent.invoke({"messages": [("user", "Use get_weather for 'Oslo', and add 4 and 5.")]}, thread)
print(repr(state["structured_response"]))

# %% [markdown]
# A second turn of the same conversation, streamed and async:

# %%
async for message, _ in agent.astream(
    {"messages": [("user", "And get_weather for 'Lima'?")]}, thread, stream_mode="messages"
):
    print(message.text, end="|", flush=True)
print()

state = await agent.aget_state(thread)
print(repr(state.values["structured_response"]))

# %% [markdown]
# ## Embeddings
#
# Sync and async, in batches, a few at once, in order.

# %%
from langchain_core.vectorstores import InMemoryVectorStore

from langchain_dbx_gateway import DbxGatewayEmbeddings

embeddings = DbxGatewayEmbeddings(model="databricks-gte-large-en")
store = InMemoryVectorStore(embeddings)
await store.aadd_texts(["Cats sleep all day.", "Tables hold rows.", "Rivers run to the sea."])
found = store.similarity_search("rows of tables", k=1)
print(found[0].page_content)

# %%
embeddings.embed_with_usage(["Cats sleep all day."]).usage.input

# %% [markdown]
# ## API reference
#
# [docs/langchain.md](../docs/langchain.md) shows the rest: caching, light histories, errors, and a table of features
# with the test that proves each. Every class and argument is described in its docstring: `help(ChatDbxGateway)`.
