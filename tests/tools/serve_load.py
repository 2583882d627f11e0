"""Clients that ask a server without pause and check each answer, for tests in Python."""
import http.client
import json
import threading


class Load:
    """Threads that query until they are stopped. `check(reply)` is called with each answer; what it raises, an answer
    other than 200 and a broken connection are failures."""

    def __init__(self, url, check, threads=4, texts=3):
        self.host = url.split("//")[1]
        self.check, self.texts = check, texts
        self.answers, self.failures = 0, []
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(number,)) for number in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join()

    def run(self, number):
        connection = http.client.HTTPConnection(self.host, timeout=30)
        count = 0
        while not self.stopping.is_set():
            count += 1
            # Every other query comes again byte for byte.
            body = json.dumps({"texts": [f"rain and cats {number if count % 2 else count}"] * self.texts, "k": 1,
                               "filter": {"keys": ["marker"]}})
            failure = self.ask(connection, body)
            with self.lock:
                self.answers += failure is None
                if failure:
                    self.failures.append(failure)
        connection.close()

    def ask(self, connection, body):
        try:
            connection.request("POST", "/v1/query", body)
            response = connection.getresponse()
            text = response.read().decode()
            if response.status != 200:
                return f"{response.status} {text}"
            if response.getheader("Connection") == "close":
                connection.close()
            self.check(json.loads(text))
        except (OSError, http.client.HTTPException, ValueError) as error:
            connection.close()
            return repr(error)
        return None


class Generations:
    """A check: a reply's labels are those of the generation that it names."""

    def __init__(self):
        self.names = {}  # of the label "marker", by generation

    def __call__(self, reply):
        names = {label["name"] for result in reply["results"] for label in result["labels"]}
        expected = self.names.get(reply["generation"])
        if names != {expected}:
            raise ValueError(f"generation {reply['generation']} has {expected}, but the answer {names}")
