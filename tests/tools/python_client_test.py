"""The Python client and its adapters against a real server.

usage: python_client_test.py DEXTER     the binary; adapters whose library is not installed are skipped
"""
import asyncio
import sys
import tempfile
import unittest
from pathlib import Path

from served_store import make_store, start, stop  # first: it makes the client importable
from dexter_client import Client, DexterError, Label, NotFound, Refused, Unavailable

BINARY = sys.argv.pop()
QUERY = "a storm with rain and wind"


class ServedTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = Path(cls.folder.name)
        (root / "keys").write_text("writer-key read-write\nreader-key read\n")
        cls.server, cls.url = start(BINARY, make_store(BINARY, root), "--api-key-file", root / "keys")
        cls.client = Client(cls.url, api_key="writer-key")

    @classmethod
    def tearDownClass(cls):
        cls.client.close()
        stop(cls.server)
        cls.folder.cleanup()


class ClientTest(ServedTest):
    def test_answers_one_text_many_and_says_which_generation(self):
        one = self.client.query(QUERY, k=2)
        self.assertEqual([len(labels) for labels in one.labels], [2])
        self.assertEqual((one.labels[0][0].key, one.labels[0][0].name), ("weather", "Weather"))
        self.assertGreater(one.labels[0][0].score, one.labels[0][1].score)
        many = self.client.query([QUERY, "a cat and a dog"], k=1)
        self.assertEqual([labels[0].key for labels in many.labels], ["weather", "animals"])
        self.assertEqual(many.generation, self.client.info()["generation"])
        self.assertTrue(self.client.is_ready())

    def test_answers_vectors_and_a_threshold(self):
        dim = self.client.info()["encoder"]["dim"]
        self.assertEqual(len(self.client.query(vectors=[[0.5] * dim], k=3).labels[0]), 3)
        self.assertEqual(self.client.query(QUERY, threshold=2).labels, [[]])
        pages = [self.client.query(QUERY, k=1, offset=page).labels[0] for page in range(2)]
        self.assertEqual([pages[0][0], pages[1][0]], self.client.query(QUERY, k=2).labels[0])

    def test_a_label_is_put_found_replaced_and_removed(self):
        key = "a/b c%é"
        self.assertEqual(self.client.put_label(key, "Planets", "planets and telescopes"),
                         Label(key, "Planets", "planets and telescopes"))
        self.assertEqual(self.client.label(key).name, "Planets")
        self.assertEqual(self.client.query("planets and telescopes", k=1).labels[0][0].key, key)
        counts = self.client.put_labels([Label(key, "Stars"), Label("second", "Second")])
        self.assertEqual((counts["created"], counts["replaced"]), (1, 1))
        self.assertEqual(self.client.label(key).name, "Stars")
        for each in (key, "second"):
            self.client.remove_label(each)
            self.assertRaises(NotFound, self.client.label, each)
            self.assertRaises(NotFound, self.client.remove_label, each)

    def test_an_error_carries_the_text_of_the_problem(self):
        with self.assertRaisesRegex(DexterError, "'k' is 0") as raised:
            self.client.query(QUERY, k=0)
        self.assertEqual(raised.exception.status, 400)

    def test_a_key_that_may_not_is_refused(self):
        with Client(self.url) as without, Client(self.url, api_key="reader-key") as reader:
            self.assertRaises(Refused, without.query, QUERY)
            self.assertRaises(Refused, reader.put_label, "x", "X")
            self.assertEqual(len(reader.query(QUERY).labels), 1)

    def test_a_server_that_is_not_there_is_unavailable(self):
        self.assertRaises(Unavailable, Client("http://127.0.0.1:1", retries=1).info)
        self.assertRaises(ValueError, Client, "127.0.0.1:8080")


class AdapterTest(ServedTest):
    def need(self, module):
        try:
            __import__(module)
        except ImportError:
            self.skipTest(f"{module} is not installed")

    def test_langchain_retriever(self):
        self.need("langchain_core")
        from dexter_client.langchain import DexterRetriever
        retriever = DexterRetriever(client=self.client, k=2)
        documents = retriever.invoke(QUERY)
        self.assertEqual([documents[0].id, len(documents)], ["weather", 2])
        self.assertEqual(asyncio.run(retriever.ainvoke(QUERY)), documents)

    def test_langchain_vector_store_and_example_selector(self):
        self.need("langchain_core")
        from dexter_client.langchain import DexterVectorStore
        from langchain_core.example_selectors import SemanticSimilarityExampleSelector
        store = DexterVectorStore.from_texts(["planets and telescopes"], None, [{"name": "P"}], ids=["p"],
                                             client=self.client)
        [(document, score)] = store.similarity_search_with_score("planets and telescopes", k=1)
        self.assertEqual((document.id, document.metadata["name"]), ("p", "P"))
        self.assertGreater(score, 0)
        selector = SemanticSimilarityExampleSelector(vectorstore=store, k=1, example_keys=["key"])
        self.assertEqual(selector.select_examples({"input": QUERY}), [{"key": "weather"}])
        self.assertTrue(store.delete(["p"]))
        self.assertFalse(store.delete(["p"]))

    def test_llama_index_retriever(self):
        self.need("llama_index.core")
        from dexter_client.llama_index import DexterRetriever
        nodes = DexterRetriever(self.client, k=2).retrieve(QUERY)
        self.assertEqual((nodes[0].node.node_id, len(nodes)), ("weather", 2))
        self.assertGreater(nodes[0].score, nodes[1].score)

    def test_dspy_retriever(self):
        self.need("dspy")
        from dexter_client.dspy_retriever import DexterRetriever
        found = DexterRetriever(self.client)(QUERY, k=2)
        self.assertEqual((found.label_keys[0], len(found.passages)), ("weather", 2))

    def test_mcp_tool(self):
        self.need("mcp")
        from dexter_client.mcp_server import make_server
        from mcp import Client as McpClient

        async def call():
            async with McpClient(make_server(self.client)) as session:
                tools = [tool.name for tool in (await session.list_tools()).tools]
                answer = await session.call_tool("find_labels", {"text": QUERY, "k": 1})
                return tools, answer.structured_content["result"][0]["key"]

        self.assertEqual(asyncio.run(call()), (["find_labels"], "weather"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
