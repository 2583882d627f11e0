"""DSPy: a retriever of labels, and demonstrations of the bank for a module's prompts."""

from __future__ import annotations

import types
from typing import Any

import dspy
from dspy.teleprompt.teleprompt import Teleprompter

from .client import Client


class DexterRetriever(dspy.Module):
    """Its prediction holds `passages` (texts or names), `label_keys` and `scores` of the best labels."""

    def __init__(self, client: Client, k: int = 5) -> None:
        super().__init__()
        self.client, self.k = client, k

    def forward(self, query: str, k: int | None = None) -> dspy.Prediction:
        found = self.client.query(query, k=k or self.k).labels[0]
        return dspy.Prediction(passages=[label.text or label.name for label in found],
                               label_keys=[label.key for label in found], scores=[label.score for label in found])


class DexterFewShot(Teleprompter):
    """As dspy.KNNFewShot with the bank in place of a training set: `compile(student)` gives a module that puts k
    demonstrations for its input into every predictor, the best last, each time it is called.

    `input_field` and `output_field` are those of the signature. `options` are those of Client.demonstrations.
    """

    def __init__(self, client: Client, k: int = 8, *, input_field: str = "input", output_field: str = "output",
                 **options: Any) -> None:
        self._client, self._k, self._options = client, k, options
        self._input_field, self._output_field = input_field, output_field

    def demonstrations(self, text: str) -> list[dspy.Example]:
        found = self._client.demonstrations(text, k=self._k, **self._options).found[0]
        return [dspy.Example(**{self._input_field: demo.input, self._output_field: demo.output})
                .with_inputs(self._input_field) for demo in found]

    def compile(self, student: dspy.Module, **_: Any) -> dspy.Module:
        compiled = student.reset_copy()

        def forward(_module: dspy.Module, **inputs: Any) -> Any:
            shown = student.reset_copy()
            for predictor in shown.predictors():
                predictor.demos = self.demonstrations(inputs[self._input_field])
            return shown(**inputs)

        compiled.forward = types.MethodType(forward, compiled)
        return compiled
