"""DSPy: a module whose prediction holds `passages` (texts or names), `label_keys` and `scores` of the best labels."""

from __future__ import annotations

import dspy

from .client import Client


class DexterRetriever(dspy.Module):
    def __init__(self, client: Client, k: int = 5) -> None:
        super().__init__()
        self.client, self.k = client, k

    def forward(self, query: str, k: int | None = None) -> dspy.Prediction:
        found = self.client.query(query, k=k or self.k).labels[0]
        return dspy.Prediction(passages=[label.text or label.name for label in found],
                               label_keys=[label.key for label in found], scores=[label.score for label in found])
