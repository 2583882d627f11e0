"""LangChain: labels as documents, and the catalogue as a vector store."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from typing import Any

from langchain_core.callbacks import CallbackManagerForRetrieverRun
from langchain_core.documents import Document
from langchain_core.embeddings import Embeddings
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import VectorStore

from .client import Client, Label, NotFound, ScoredLabel


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
