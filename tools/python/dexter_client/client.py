"""HTTP to `dexter serve` and back: typed answers, errors as exceptions, retries where the server asks for them."""

from __future__ import annotations

import http.client
import json
import random
import threading
import time
import urllib.parse
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

# A request that was refused with one of these had no effect.
_RETRIED = frozenset({429, 503, 507})


class DexterError(Exception):
    """What the server answered instead of a result. `str` is the problem's text; it says what to do."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status


class NotFound(DexterError):
    """404: there is no such thing."""


class Refused(DexterError):
    """401 or 403: the key is missing, unknown, or may not do this."""


class Unavailable(DexterError):
    """429, 503 or 507 after all retries, or no connection (status 0)."""


@dataclass(frozen=True)
class Label:
    key: str
    name: str = ""
    text: str = ""


@dataclass(frozen=True)
class ScoredLabel:
    key: str
    name: str
    text: str
    score: float


@dataclass(frozen=True)
class Answer:
    """The labels of each text, best first, all of one generation of the store."""

    generation: int
    labels: list[list[ScoredLabel]]


@dataclass(frozen=True)
class Embedding:
    """The unit vector of each text (zeros where no word of it is known), all of one generation's encoder."""

    generation: int
    vectors: list[list[float]]


@dataclass(frozen=True)
class Demonstration:
    """A solved example of a task. `probability` is the softmax over the scores of one choice; `pseudo`: its output is a
    pseudo-label of `dexter demos label`, with its `confidence`."""

    id: str
    task: str
    input: str
    output: str
    rank: int
    score: float
    probability: float
    pseudo: bool = False
    confidence: float | None = None


@dataclass(frozen=True)
class Demonstrations:
    """For each text its demonstrations, the best last unless `best_first`, and its prompt where one was asked for."""

    strategy: str
    found: list[list[Demonstration]]
    prompts: list[str]


class Client:
    """One server. Safe from many threads, each of which keeps its own connection.

    `retries`: how often a request that found the server full (429, 503, 507) or the connection gone is sent again,
    after the time that the server names in Retry-After, else after a growing one. Every request may be repeated:
    labels are put and removed by key.
    """

    def __init__(self, url: str = "http://127.0.0.1:8080", *, api_key: str | None = None, timeout: float = 30,
                 retries: int = 3) -> None:
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(f"reading the server's address: {url!r} is no http:// or https:// URL")
        self._https = parts.scheme == "https"
        self._host, self._port, self._path = parts.hostname, parts.port, parts.path.rstrip("/")
        self._api_key, self._timeout, self._retries = api_key, timeout, retries
        self._local = threading.local()

    def query(self, texts: str | Sequence[str] = (), *, vectors: Sequence[Sequence[float]] = (), k: int = 5,
              offset: int = 0, threshold: float | None = None, timeout_ms: int | None = None) -> Answer:
        """The k best labels after the first `offset` of one text, of many, or of vectors."""
        body: dict[str, Any] = {"k": k, "fields": ["key", "name", "text", "score"]}
        if len(vectors):
            body["vectors"] = [[float(value) for value in vector] for vector in vectors]
        else:
            body["texts"] = [texts] if isinstance(texts, str) else list(texts)
        if offset:
            body["offset"] = offset
        if threshold is not None:
            body["threshold"] = threshold
        if timeout_ms is not None:
            body["timeout_ms"] = timeout_ms
        found = self._ask("POST", "/v1/query", body)
        return Answer(found["generation"], [[ScoredLabel(**label) for label in result["labels"]]
                                            for result in found["results"]])

    def embed(self, texts: str | Sequence[str], *, dimensions: int | None = None) -> Embedding:
        """Vectors of texts; with `dimensions` only as many leading values, scaled to unit length again."""
        body: dict[str, Any] = {"texts": [texts] if isinstance(texts, str) else list(texts)}
        if dimensions is not None:
            body["dimensions"] = dimensions
        return Embedding(**self._ask("POST", "/v1/embed", body))

    def demonstrations(self, texts: str | Sequence[str], *, k: int = 8, task: str | None = None,
                       strategy: str | None = None, exclude: str = "none", without: Sequence[str] = (),
                       balanced: bool = False, words: int = 0, best_first: bool = False, prompt: bool = False,
                       pattern: str | None = None, **options: Any) -> Demonstrations:
        """Demonstrations for one text or many; of all tasks where none is named.

        `exclude`: "same" leaves out inputs with the text's words, "near" nearly the same ones too; `without`: these
        ids. `words`: a budget for inputs and outputs together. `pattern`: of the prompt, with {input}, {output} and
        {task}. `options`: pool, pseudo, seed, mmr_balance, dpp_scale.
        """
        body: dict[str, Any] = {"texts": [texts] if isinstance(texts, str) else list(texts), "k": k, "task": task,
                                "strategy": strategy, "exclude": exclude, "without": list(without) or None,
                                "balanced": balanced, "words": words, "best_first": best_first, "prompt": prompt,
                                "pattern": pattern, **options}
        answer = self._ask("POST", "/v1/demonstrations", {key: value for key, value in body.items()
                                                          if value is not None})
        results = answer["results"]
        return Demonstrations(answer["strategy"],
                              [[Demonstration(**row) for row in result["demonstrations"]] for result in results],
                              [result["prompt"] for result in results if "prompt" in result])

    def info(self) -> dict[str, Any]:
        return self._ask("GET", "/v1/info")

    def is_ready(self) -> bool:
        try:
            self._ask("GET", "/readyz")
        except Unavailable:
            return False
        return True

    def put_label(self, key: str, name: str = "", text: str = "") -> Label:
        """Adds or replaces a label; on its return the label is on disk and in the next answer."""
        return Label(**self._ask("PUT", self._label_path(key), {"name": name, "text": text}))

    def put_labels(self, labels: Iterable[Label]) -> dict[str, int]:
        """All of them or none. Returns how many were `created` and `replaced`, and how many `labels` there are."""
        rows = [{"key": label.key, "name": label.name, "text": label.text} for label in labels]
        return self._ask("POST", "/v1/labels", {"labels": rows})

    def label(self, key: str) -> Label:
        return Label(**self._ask("GET", self._label_path(key)))

    def remove_label(self, key: str) -> None:
        """NotFound where there is none; a retry after a lost answer may say so too."""
        self._ask("DELETE", self._label_path(key))

    def compact(self) -> dict[str, int]:
        """Takes changed labels into the index; the `generation` and number of `labels` that then answer."""
        return self._ask("POST", "/v1/admin/compact")

    def close(self) -> None:
        """Ends this thread's connection; the next call opens another."""
        self._forget()

    def __enter__(self) -> Client:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @staticmethod
    def _label_path(key: str) -> str:
        return "/v1/labels/" + urllib.parse.quote(key, safe="")

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        for attempt in range(self._retries + 1):
            pause = min(2.0, 0.1 * 2**attempt) * (0.5 + random.random())
            try:
                status, headers, content = self._send(method, path, body)
            except (OSError, http.client.HTTPException) as error:
                self._forget()
                problem: DexterError = Unavailable(0, f"asking {self._host}:{self._port}: {error!r}")
            else:
                if status < 400:
                    return self._parsed(headers, content)
                problem = _problem(status, content)
                if status not in _RETRIED:
                    raise problem
                named = headers.get("Retry-After", "")
                pause = float(named) if named.isdigit() else pause
            if attempt < self._retries:
                time.sleep(pause)
        raise problem

    @staticmethod
    def _parsed(headers: Any, content: bytes) -> Any:
        return json.loads(content) if headers.get("Content-Type", "").startswith("application/json") else None

    def _send(self, method: str, path: str, body: Any) -> tuple[int, Any, bytes]:
        headers = {"Accept": "application/json"}
        if self._api_key:
            headers["Authorization"] = "Bearer " + self._api_key
        content = None
        if body is not None:
            headers["Content-Type"] = "application/json"
            content = json.dumps(body, ensure_ascii=False).encode()
        connection = self._connection()
        connection.request(method, self._path + path, content, headers)
        reply = connection.getresponse()
        received = reply.read()
        if reply.will_close:
            self._forget()
        return reply.status, reply.headers, received

    def _connection(self) -> http.client.HTTPConnection:
        if getattr(self._local, "connection", None) is None:
            kind = http.client.HTTPSConnection if self._https else http.client.HTTPConnection
            self._local.connection = kind(self._host, self._port, timeout=self._timeout)
        return self._local.connection

    def _forget(self) -> None:
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            connection.close()
        self._local.connection = None


def _problem(status: int, content: bytes) -> DexterError:
    try:
        detail = str(json.loads(content)["detail"])
    except (ValueError, KeyError, TypeError):
        detail = content.decode(errors="replace")[:200] or f"the server answered {status}"
    kind = {401: Refused, 403: Refused, 404: NotFound}.get(status, Unavailable if status in _RETRIED else DexterError)
    return kind(status, detail)
