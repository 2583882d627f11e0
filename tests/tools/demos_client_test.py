"""Demonstrations from a real server, by the Python client and its adapters.

usage: demos_client_test.py DEXTER     the binary; adapters whose library is not installed are skipped
"""
import asyncio
import json
import sys
import tempfile
import unittest
from pathlib import Path

from served_store import SETTINGS, dexter, make_store, running, start, stop  # first: it makes the client importable
from dexter_client import Client, DexterError, NotFound

BINARY = sys.argv.pop()
QUERY = "Who plays the violin ?"
# Row by row, so that the ids are row numbers.
DEMONSTRATIONS = [("Who wrote Hamlet ?", "person"), ("Who plays the piano ?", "person"),
                  ("Who sings in the choir ?", "person"), ("Where is the river ?", "place"),
                  ("Where do cats sleep ?", "place"), ("When does the train leave ?", "time"),
                  ("When will it rain ?", "time")]


def import_bank(store, folder):
    rows = [{"id": row, "input": text, "output": output, "task": "question"}
            for row, (text, output) in enumerate(DEMONSTRATIONS)]
    (folder / "demos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    dexter(BINARY, "demos", "import", "--store", store, folder / "demos.jsonl")
    dexter(BINARY, "demos", "train", "--store", store, *(part for each in SETTINGS for part in ("--set", each)))


class ServedBank(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = Path(cls.folder.name)
        store = make_store(BINARY, root)
        import_bank(store, root)
        cls.server, cls.url = start(BINARY, store)
        cls.client = Client(cls.url)

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        stop(cls.server)
        cls.folder.cleanup()


class ClientTest(ServedBank):
    def test_answers_with_the_best_last_or_first(self):
        answer = self.client.demonstrations(QUERY, k=3)
        self.assertEqual(answer.strategy, "dense")
        [found] = answer.found
        self.assertEqual([demo.rank for demo in found], [3, 2, 1])
        self.assertEqual((found[-1].output, found[-1].task), ("person", "question"))
        self.assertAlmostEqual(sum(demo.probability for demo in found), 1, places=5)
        first = self.client.demonstrations(QUERY, k=3, best_first=True).found[0]
        self.assertEqual(first, found[::-1])

    def test_answers_many_texts_and_their_prompts(self):
        answer = self.client.demonstrations([QUERY, "When does it start ?"], k=1, strategy="bm25", task="question",
                                            prompt=True, pattern="{input} => {output}\n")
        self.assertEqual([found[0].output for found in answer.found], ["person", "time"])
        self.assertEqual(answer.prompts[0], f"Who plays the piano ? => person\n{QUERY} =>")

    def test_leaves_out_what_is_not_wanted(self):
        text = DEMONSTRATIONS[0][0]
        best = lambda **options: self.client.demonstrations(text, k=1, **options).found[0][0].id
        self.assertEqual(best(), "0")
        self.assertNotEqual(best(exclude="same"), "0")
        self.assertNotEqual(best(without=["0"]), "0")
        outputs = {demo.output for demo in self.client.demonstrations(text, k=3, balanced=True).found[0]}
        self.assertEqual(outputs, {"person", "place", "time"})
        self.assertEqual(self.client.demonstrations(text, words=5).found[0][-1].id, "0")

    def test_an_error_carries_the_text_of_the_problem(self):
        with self.assertRaisesRegex(DexterError, "no task 'questions'") as raised:
            self.client.demonstrations(QUERY, task="questions")
        self.assertEqual(raised.exception.status, 400)


class WithoutBankTest(unittest.TestCase):
    def test_a_store_without_a_bank_says_what_to_run_and_a_reload_finds_it(self):
        with tempfile.TemporaryDirectory() as folder:
            store = make_store(BINARY, Path(folder))
            with running(BINARY, store) as (_, url), Client(url) as client:
                with self.assertRaisesRegex(NotFound, "dexter demos import"):
                    client.demonstrations(QUERY)
                import_bank(store, Path(folder))
                client._ask("POST", "/v1/admin/reload")
                self.assertEqual(client.demonstrations(QUERY, k=1).found[0][0].output, "person")


class BankAloneTest(unittest.TestCase):
    def test_a_store_of_demonstrations_alone_is_served(self):
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "store"
            import_bank(store, Path(folder))
            with running(BINARY, store) as (_, url), Client(url) as client:
                self.assertEqual(client.demonstrations(QUERY, k=1).found[0][0].output, "person")
                self.assertEqual(client.info()["demonstrations"], len(DEMONSTRATIONS))
                self.assertTrue(client.is_ready())
                for ask in (lambda: client.query(QUERY), lambda: client.label("x"),
                            lambda: client.put_label("x", "X")):
                    with self.assertRaisesRegex(NotFound, "no labels to answer with"):
                        ask()


class AdapterTest(ServedBank):
    def need(self, module):
        try:
            __import__(module)
        except ImportError:
            self.skipTest(f"{module} is not installed")

    def test_langchain_example_selector(self):
        self.need("langchain_core")
        from dexter_client.langchain import DexterExampleSelector
        from langchain_core.prompts import FewShotPromptTemplate, PromptTemplate
        selector = DexterExampleSelector(self.client, k=2, input_key="question", output_key="kind", strategy="dpp")
        template = FewShotPromptTemplate(
            example_selector=selector, example_prompt=PromptTemplate.from_template("Q: {question}\nA: {kind}"),
            suffix="Q: {question}\nA:", input_variables=["question"])
        prompt = template.format(question=QUERY)
        self.assertEqual(prompt.count("Q: "), 3)
        self.assertTrue(prompt.endswith(f"A: person\n\nQ: {QUERY}\nA:"), prompt)
        self.assertEqual(asyncio.run(template.aformat(question=QUERY)), prompt)

    def test_langchain_similarity_and_marginal_relevance_selectors(self):
        self.need("langchain_core")
        from dexter_client.langchain import DexterDemonstrationStore
        from langchain_core.example_selectors import (MaxMarginalRelevanceExampleSelector,
                                                      SemanticSimilarityExampleSelector)
        store = DexterDemonstrationStore(self.client, task="question")
        for kind in (SemanticSimilarityExampleSelector, MaxMarginalRelevanceExampleSelector):
            selector = kind(vectorstore=store, k=2, input_keys=["input"])
            examples = selector.select_examples({"input": QUERY, "other": "x"})
            self.assertEqual(examples[0]["output"], "person")
            self.assertEqual(set(examples[0]), {"input", "output"})
            self.assertEqual(asyncio.run(selector.aselect_examples({"input": QUERY})), examples)
        self.assertRaises(NotImplementedError, selector.add_example, {"input": "a", "output": "b"})

    def test_dspy_few_shot(self):
        self.need("dspy")
        import dspy
        from dexter_client.dspy_retriever import DexterFewShot
        from dspy.utils import DummyLM
        compiled = DexterFewShot(self.client, k=2, input_field="question", output_field="kind").compile(
            dspy.Predict("question -> kind"))
        model = DummyLM([{"kind": "person"}])
        with dspy.context(lm=model):
            self.assertEqual(compiled(question=QUERY).kind, "person")
        shown = json.dumps(model.history[-1]["messages"])
        self.assertEqual(shown.count("Who "), 3)  # two demonstrations and the question
        self.assertIn("Who plays the piano ?", shown)

    def test_row_ids_as_of_openicl(self):
        from dexter_client.openicl import DexterRetriever
        rows = DexterRetriever(self.client, [QUERY, "When does it start ?"], ice_num=2, batch_size=1).retrieve()
        self.assertEqual([len(row) for row in rows], [2, 2])
        self.assertEqual([DEMONSTRATIONS[row[0]][1] for row in rows], ["person", "time"])

    def test_mcp_tool(self):
        self.need("mcp")
        from dexter_client.mcp_server import make_server
        from mcp import Client as McpClient

        async def call():
            async with McpClient(make_server(self.client)) as session:
                answer = await session.call_tool("find_demonstrations", {"text": QUERY, "k": 1, "task": "question"})
                return answer.structured_content["result"][0]

        self.assertEqual(asyncio.run(call())["output"], "person")


if __name__ == "__main__":
    unittest.main(verbosity=2)
