"""Ragas, with LangChain's model and embeddings as its judges."""

from __future__ import annotations

import httpx
import pytest
from ragas import EvaluationDataset, SingleTurnSample, evaluate
from ragas.embeddings import LangchainEmbeddingsWrapper
from ragas.llms import LangchainLLMWrapper
from ragas.metrics import AspectCritic, Faithfulness, ResponseRelevancy
from ragas.run_config import RunConfig
from support.llama_index_scripts import WIRES, Script

from langchain_dbx_gateway import ChatDbxGateway

SAMPLE = SingleTurnSample(
    user_input="Who owns the house?", response="Ann owns it.", retrieved_contexts=["Ann owns the house."]
)
JUDGEMENTS = [
    pytest.param(AspectCritic(name="kind", definition="Is it kind?"), ['{"reason": "yes", "verdict": 1}'], id="critic"),
    pytest.param(
        Faithfulness(),
        [
            '{"statements": ["Ann owns the house."]}',
            '{"statements": [{"statement": "Ann owns the house.", "reason": "it says so", "verdict": 1}]}',
        ],
        id="faithfulness",
    ),
    pytest.param(ResponseRelevancy(), ['{"question": "Who owns the house?", "noncommittal": 0}'], id="relevancy"),
]


@pytest.mark.parametrize("wire", WIRES, ids=lambda wire: wire.api)
@pytest.mark.parametrize(("metric", "said"), JUDGEMENTS)
def test_an_answer_is_judged(wire, embeddings, metric, said):
    script = Script([wire.whole(text) for text in said])
    chat = ChatDbxGateway(
        model=wire.model,
        api=wire.api,
        host="https://example.com",
        token="t",
        surface="ai-gateway",
        http_client=httpx.Client(transport=httpx.MockTransport(script)),
        http_async_client=httpx.AsyncClient(transport=httpx.MockTransport(script)),
    )

    result = evaluate(
        EvaluationDataset(samples=[SAMPLE]),
        metrics=[metric],
        llm=LangchainLLMWrapper(chat),
        embeddings=LangchainEmbeddingsWrapper(embeddings),
        run_config=RunConfig(max_retries=1, max_workers=1),
        show_progress=False,
        raise_exceptions=True,
    )

    assert result.scores == [{metric.name: pytest.approx(1)}]
    assert "Ann owns it." in str(script.bodies[0])
