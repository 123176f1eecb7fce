"""The dialect of each api."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from dbx_gateway.dialects.chat_completions.dialect import ChatCompletions
from dbx_gateway.dialects.dialect import Dialect
from dbx_gateway.dialects.generate_content.dialect import GenerateContent
from dbx_gateway.dialects.messages.dialect import Messages
from dbx_gateway.dialects.responses.dialect import Responses
from dbx_gateway.surfaces import Api

__all__ = ["DIALECTS"]

DIALECTS: Final[Mapping[Api, Dialect]] = {
    "chat-completions": ChatCompletions(),
    "responses": Responses(),
    "messages": Messages(),
    "generate-content": GenerateContent(),
}
