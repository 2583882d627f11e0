"""A small causal language model behind an OpenAI-compatible completion server, with the standard library alone.

The model: words and punctuation are tokens. The next token's probability mixes, by interpolation, n-grams of a training
text with the continuations that the last one to four tokens had earlier in the same prompt, down to the
uniform distribution over characters of an unknown token; so it learns from the examples in its prompt.

usage: ngram_server.py TRAINING.txt [--method echo|prompt_logprobs] [--refuse N] [--key KEY]

Prints its port. With --refuse N every N-th request is answered 503 with Retry-After 0. GET /figures answers
{"requests", "prompts", "refused"}.
"""
import argparse
import json
import math
import re
from collections import Counter, defaultdict
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

TOKEN = re.compile(r" ?[^\W_]+|\n| ?[^\w\s]|\s|_")
ORDER = 4


class NgramModel:
    def __init__(self, text):
        self.vocabulary = Counter(TOKEN.findall(text))
        self.total = sum(self.vocabulary.values())
        self.pairs = defaultdict(Counter)
        tokens = TOKEN.findall(text)
        for before, token in zip(tokens, tokens[1:]):
            self.pairs[before][token] += 1

    def base(self, before, token):
        """Bigram over unigram over the spelling of an unknown word."""
        unknown = math.exp(-3.0 * len(token)) / 10
        unigram = (self.vocabulary[token] + unknown) / (self.total + 1)
        followers = self.pairs.get(before)
        if not followers:
            return unigram
        total = sum(followers.values())
        return (followers[token] + 2 * unigram) / (total + 2)

    def log_probabilities(self, text):
        """[(token, its offset, log p)], the first without one. The tokens join to the text."""
        pieces, at = [], 0
        for match in TOKEN.finditer(text):
            pieces.append((match.group(), match.start()))
            at = match.end()
        assert at == len(text) and "".join(piece for piece, _ in pieces) == text
        seen = [defaultdict(Counter) for _ in range(ORDER + 1)]
        result, tokens = [], []
        for piece, offset in pieces:
            if tokens:
                p = self.base(tokens[-1], piece)
                for n in range(1, ORDER + 1):
                    followers = seen[n].get(tuple(tokens[-n:])) if len(tokens) >= n else None
                    if followers:
                        total = sum(followers.values())
                        p = (followers[piece] + p) / (total + 1)
                result.append((piece, offset, math.log(p)))
            else:
                result.append((piece, offset, None))
            for n in range(1, min(ORDER, len(tokens)) + 1):
                seen[n][tuple(tokens[-n:])][piece] += 1
            tokens.append(piece)
        return result


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model, options, figures = None, None, Counter()

    def answer(self, status, body, headers=()):
        data = json.dumps(body).encode()
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def do_GET(self):
        self.answer(200, dict(self.figures))

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        if self.path != "/v1/completions":
            return self.answer(404, {"error": {"message": f"no such path: {self.path}"}})
        if self.options.key and self.headers.get("Authorization") != "Bearer " + self.options.key:
            return self.answer(401, {"error": {"message": "the key is missing or wrong"}})
        self.figures["requests"] += 1
        if self.options.refuse and self.figures["requests"] % self.options.refuse == 0:
            self.figures["refused"] += 1
            return self.answer(503, {"error": {"message": "busy"}}, [("Retry-After", "0")])
        wanted = "prompt_logprobs" if request.get("prompt_logprobs") is not None else "echo"
        if wanted == "echo" and not request.get("echo"):
            return self.answer(400, {"error": {"message": "only prompts are scored here"}})
        prompts = request["prompt"] if isinstance(request["prompt"], list) else [request["prompt"]]
        self.figures["prompts"] += len(prompts)
        choices = [self.choice(i, prompt, wanted) for i, prompt in enumerate(prompts)]
        self.answer(200, {"object": "text_completion", "choices": choices[::-1]})

    def choice(self, index, prompt, wanted):
        scored = self.model.log_probabilities(prompt)
        if wanted == "prompt_logprobs":
            entries = [None if p is None else {str(i): {"logprob": p, "rank": 1, "decoded_token": token}}
                       for i, (token, _, p) in enumerate(scored)]
            return {"index": index, "text": "\n", "prompt_logprobs": entries}
        scored = scored + [("\n", len(prompt), -1.0)]  # the one generated token
        return {"index": index, "text": prompt + "\n",
                "logprobs": {"tokens": [token for token, _, _ in scored],
                             "token_logprobs": [p for _, _, p in scored],
                             "text_offset": [offset for _, offset, _ in scored]}}

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("training")
    parser.add_argument("--refuse", type=int, default=0)
    parser.add_argument("--key", default="")
    Handler.options = parser.parse_args()
    with open(Handler.options.training, encoding="utf-8") as file:
        Handler.model = NgramModel(file.read())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_address[1], flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
