"""Clients of other servers against a real dexter server: OpenAI's library, text-embeddings-inference's, Annif.

usage: doors_test.py DEXTER     the binary; a client that is not installed (pip install openai huggingface_hub numpy annif
                                annif-client) is skipped
"""
import importlib.util
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from served_store import LABELS, make_store, start, stop  # first: it makes the client importable
from dexter_client import Client

BINARY = sys.argv.pop()
TEXT = "planets and telescopes"
URI = "http://example.org/planets"


class DoorsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = Path(cls.folder.name)
        cls.server, cls.url = start(BINARY, make_store(BINARY, cls.root))
        cls.client = Client(cls.url)
        cls.client.put_label(URI, "Planets", TEXT)
        cls.vector = cls.client.embed(TEXT).vectors[0]

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        stop(cls.server)
        cls.folder.cleanup()

    def need(self, *modules):
        for module in modules:
            if importlib.util.find_spec(module) is None:
                self.skipTest(f"{module} is not installed")

    def assert_near(self, found, expected):
        self.assertEqual(len(found), len(expected))
        self.assertLess(max(abs(a - b) for a, b in zip(found, expected)), 1e-6)

    def test_the_python_client_embeds(self):
        self.assert_near([sum(each * each for each in self.vector)], [1])
        [one, two] = self.client.embed([TEXT, "a cat"], dimensions=8).vectors
        self.assertEqual((len(one), len(two)), (8, 8))

    def test_openai(self):
        self.need("openai")
        from openai import BadRequestError, OpenAI
        with OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0) as openai:
            for encoding in ({}, {"encoding_format": "float"}):  # the library asks for base64 by itself
                answer = openai.embeddings.create(model="any", input=[TEXT, "a cat"], **encoding)
                self.assertEqual([each.index for each in answer.data], [0, 1])
                self.assert_near(answer.data[0].embedding, self.vector)
            self.assertEqual(answer.usage.total_tokens, 5)
            short = openai.embeddings.create(model="any", input=TEXT, dimensions=8)
            self.assertEqual(len(short.data[0].embedding), 8)
            with self.assertRaisesRegex(BadRequestError, "'dimensions' is 99"):
                openai.embeddings.create(model="any", input=TEXT, dimensions=99)

    def test_text_embeddings_inference(self):
        self.need("huggingface_hub", "numpy")
        from huggingface_hub import InferenceClient
        [found] = InferenceClient(f"{self.url}/embed").feature_extraction(TEXT, truncate=True)
        self.assert_near(list(found), self.vector)

    def test_annif_client(self):
        self.need("annif_client")
        from annif_client import AnnifClient
        annif = AnnifClient(f"{self.url}/v1/")
        self.assertEqual([project["project_id"] for project in annif.projects], ["dexter"])
        self.assertTrue(annif.get_project("dexter")["is_trained"])
        self.assertRaises(ValueError, annif.get_project, "other")
        [best] = annif.suggest("dexter", TEXT, limit=1, threshold=0.1)
        self.assertEqual((best["uri"], best["label"]), (URI, "Planets"))
        [batch] = annif.suggest_batch("dexter", [{"text": TEXT, "document_id": "1"}], limit=2)
        self.assertEqual((batch["document_id"], batch["results"][0]), ("1", best))

    def test_annif_asks_through_its_http_backend(self):
        self.need("annif")
        (self.root / "projects.cfg").write_text(f"""[through]
name=through
language=en
backend=http
vocab=tiny
limit=3
endpoint={self.url}/v1/projects/dexter/suggest
""")
        rows = [f"<{key}>\t{key}\n" for key in (URI, *LABELS)]  # Annif knows every label of the store
        (self.root / "vocab.tsv").write_text("".join(rows))

        def annif(*arguments, text=""):
            run = subprocess.run([sys.executable, "-m", "annif.cli", *arguments], cwd=self.root, input=text, text=True,
                                 capture_output=True, env={**os.environ, "ANNIF_PROJECTS": "projects.cfg"})
            self.assertEqual(run.returncode, 0, run.stderr)
            return run.stdout

        annif("load-vocab", "--language", "en", "tiny", "vocab.tsv")
        self.assertRegex(annif("list-projects"), r"through\s.*\sTrue")
        uri, name, score = annif("suggest", "through", text=TEXT).splitlines()[0].split("\t")
        self.assertEqual((uri, name), (f"<{URI}>", URI))
        self.assertGreater(float(score), 0.1)


if __name__ == "__main__":
    unittest.main(verbosity=2)
