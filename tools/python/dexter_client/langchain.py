"""LangChain: labels as documents, the catalogue as a vector store, and demonstrations as examples of a prompt."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.example_selectors import BaseExampleSelector
from langchain_core.retrievers import BaseRetriever
from langchain_core.runnables import run_in_executor
from langchain_core.vectorstores import VectorStore

from .client import Client, Demonstration, Label, NotFound, ScoredLabel


def _document(label: ScoredLabel) -> Document:
    metadata = {"key": label.key, "name": label.name, "score": label.score}
    return Document(id=label.key, page_content=label.text or label.name, metadata=metadata)


class DexterRetriever(BaseRetriever):
    """The k best labels of a query; `invoke` and `ainvoke`."""

    client: Any
    k: int = 5

    def _get_relevant_documents(self, query: str, *, run_manager: CallbackManagerForRetrieverRun) -> list[Document]:
        return [_document(label) for label in self.client.query(query, k=self.k).labels[0]]


class DexterVectorStore(VectorStore):
    """The server's labels: texts are added as labels, their `name` metadata as names. The server encodes."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def add_texts(self, texts: Iterable[str], metadatas: list[dict] | None = None, *, ids: list[str] | None = None,
                  **_: Any) -> list[str]:
        rows = list(texts)
        keys = ids or [str(uuid.uuid4()) for _ in rows]
        names = [metadata.get("name", "") for metadata in metadatas] if metadatas else [""] * len(rows)
        self._client.put_labels(Label(*row) for row in zip(keys, names, rows, strict=True))
        return keys

    def delete(self, ids: list[str] | None = None, **_: Any) -> bool:
        found = True
        for key in ids or []:
            try:
                self._client.remove_label(key)
            except NotFound:
                found = False
        return found

    def similarity_search_with_score(self, query: str, k: int = 4, **_: Any) -> list[tuple[Document, float]]:
        return [(_document(label), label.score) for label in self._client.query(query, k=k).labels[0]]

    def similarity_search(self, query: str, k: int = 4, **kwargs: Any) -> list[Document]:
        return [document for document, _ in self.similarity_search_with_score(query, k, **kwargs)]

    def similarity_search_by_vector(self, embedding: list[float], k: int = 4, **_: Any) -> list[Document]:
        return [_document(label) for label in self._client.query(vectors=[embedding], k=k).labels[0]]

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings | None, metadatas: list[dict] | None = None, *,
                   ids: list[str] | None = None, client: Client | None = None, **_: Any) -> DexterVectorStore:
        """`embedding` is not asked: the server's encoder is."""
        store = cls(client or Client())
        store.add_texts(texts, metadatas, ids=ids)
        return store


class DexterExampleSelector(BaseExampleSelector):
    """The demonstrations of a bank as the examples of a few-shot template, chosen by any strategy.

    An example is {input_key: ..., output_key: ...}; the best one comes last. `options` are those of
    Client.demonstrations. `select_examples` and `aselect_examples`.
    """

    def __init__(self, client: Client, k: int = 4, *, input_key: str = "input", output_key: str = "output",
                 **options: Any) -> None:
        self._client, self._k, self._options = client, k, options
        self._input_key, self._output_key = input_key, output_key

    def select_examples(self, input_variables: dict[str, str]) -> list[dict[str, Any]]:
        found = self._client.demonstrations(input_variables[self._input_key], k=self._k, **self._options).found[0]
        return [{self._input_key: demo.input, self._output_key: demo.output} for demo in found]

    def add_example(self, example: dict[str, str]) -> Any:
        raise NotImplementedError("demonstrations are added by `dexter demos import`")


class DexterDemonstrationStore(VectorStore):
    """A bank for SemanticSimilarityExampleSelector and MaxMarginalRelevanceExampleSelector: the metadata of a document
    are an example, {input_key: ..., output_key: ...}; the best comes first, as they expect. `options` are those of
    Client.demonstrations."""

    def __init__(self, client: Client, *, input_key: str = "input", output_key: str = "output",
                 **options: Any) -> None:
        self._client, self._options = client, options
        self._input_key, self._output_key = input_key, output_key

    def _documents(self, query: str, k: int, **options: Any) -> list[Document]:
        answer = self._client.demonstrations(query, k=k, best_first=True, **{**self._options, **options})
        return [self._document(demo) for demo in answer.found[0]]

    def _document(self, demo: Demonstration) -> Document:
        return Document(id=demo.id, page_content=demo.input,
                        metadata={self._input_key: demo.input, self._output_key: demo.output})

    def similarity_search(self, query: str, k: int = 4, **_: Any) -> list[Document]:
        return self._documents(query, k)

    def max_marginal_relevance_search(self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5,
                                      **_: Any) -> list[Document]:
        return self._documents(query, k, strategy="mmr", pool=fetch_k, mmr_balance=lambda_mult)

    async def amax_marginal_relevance_search(self, query: str, k: int = 4, fetch_k: int = 20, lambda_mult: float = 0.5,
                                             **_: Any) -> list[Document]:
        return await run_in_executor(None, self.max_marginal_relevance_search, query, k, fetch_k, lambda_mult)

    def add_texts(self, texts: Iterable[str], metadatas: list[dict] | None = None, **_: Any) -> list[str]:
        raise NotImplementedError("demonstrations are added by `dexter demos import`")

    @classmethod
    def from_texts(cls, texts: list[str], embedding: Embeddings, metadatas: list[dict] | None = None,
                   **_: Any) -> DexterDemonstrationStore:
        raise NotImplementedError("demonstrations are added by `dexter demos import`")
