"""Row ids, as OpenICL's retrievers give them: for each text the rows of the training set to put before it.

The bank's ids must be those row numbers: import lines with `"id": 0`, `"id": 1` and so on.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .client import Client


class DexterRetriever:
    """`retrieve()` gives `ice_num` rows for each text, the best first. `options` are those of Client.demonstrations."""

    def __init__(self, client: Client, texts: Sequence[str], ice_num: int = 1, batch_size: int = 32,
                 **options: Any) -> None:
        self._client, self._texts, self._batch = client, list(texts), batch_size
        self._options = {"k": ice_num, "best_first": True, **options}

    def retrieve(self) -> list[list[int]]:
        rows: list[list[int]] = []
        for first in range(0, len(self._texts), self._batch):
            answer = self._client.demonstrations(self._texts[first:first + self._batch], **self._options)
            rows += [[int(demo.id) for demo in found] for found in answer.found]
        return rows
