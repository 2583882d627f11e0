"""LlamaIndex: labels as nodes."""

from __future__ import annotations

from llama_index.core.base.base_retriever import BaseRetriever
from llama_index.core.schema import NodeWithScore, QueryBundle, TextNode

from .client import Client


class DexterRetriever(BaseRetriever):
    """The k best labels of a query as nodes, with their scores."""

    def __init__(self, client: Client, k: int = 5) -> None:
        super().__init__()
        self._client, self._k = client, k

    def _retrieve(self, query_bundle: QueryBundle) -> list[NodeWithScore]:
        found = self._client.query(query_bundle.query_str, k=self._k).labels[0]
        return [NodeWithScore(node=TextNode(id_=label.key, text=label.text or label.name,
                                            metadata={"key": label.key, "name": label.name}), score=label.score)
                for label in found]
