"""The pages of a real server in a real browser, headless Chromium.

usage: page_test.py DEXTER [SCREENSHOTS]     the binary; a folder for pictures of the pages, which is made
"""
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

from browser import Browser, find_browser
from served_store import dexter, make_store, start, stop

BINARY, *REST = sys.argv[1:]
PICTURES = Path(REST[0]) if REST else None
TEXT = "a storm with rain and wind"
MARKUP = "<img src=x onerror=alert(1)> & \"quotes\""
VIEWS = ("#query", "#catalogue", "#figures")


class PageTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        root = Path(cls.folder.name)
        (root / "keys").write_text("writer-key\nreader-key read\n")
        cls.server, cls.url = start(BINARY, make_store(BINARY, root))
        cls.store = root / "store"
        cls.browser = Browser()
        if PICTURES:
            PICTURES.mkdir(parents=True, exist_ok=True)

    @classmethod
    def tearDownClass(cls):
        cls.browser.close()
        stop(cls.server)
        cls.folder.cleanup()

    def setUp(self):
        self.page = self.browser
        self.page.requests.clear()
        self.page.complaints.clear()
        self.page.size(1100, 1000)
        self.page.dark(False)
        self.page.open(self.url + "/")
        self.page.until("document.getElementById('served').innerText.includes('labels')")

    def tearDown(self):
        self.assertEqual(self.page.complaints, [])
        foreign = [url for url in self.page.requests if not url.startswith((self.url, "about:", "http://127.0.0.1:"))]
        self.assertEqual(foreign, [])

    def go(self, view):
        self.page.run(f"location.hash = '{view}'")
        self.page.until(f"!document.getElementById('view-{view[1:]}').hidden")

    def ask(self, text, count=4):
        self.page.type("#text", text)
        self.page.until(f"document.getElementById('query-status').innerText.startsWith('{count} label')")

    def ranked(self):
        return self.page.run("[...document.querySelectorAll('#ranked .name')].map(e => e.firstChild.textContent)")

    def test_answers_while_a_text_is_typed(self):
        self.ask(TEXT)
        self.assertEqual(self.ranked()[0], "Weather")
        widths = self.page.run("[...document.querySelectorAll('#ranked .bar span')].map(e => e.getBoundingClientRect().width)")
        self.assertGreater(widths[0], widths[1])
        self.assertEqual(self.page.run("document.querySelectorAll('#stages-legend li').length"), 4)
        self.page.type("#text", "")
        self.page.until("document.getElementById('query-answer').hidden")

    def test_keeps_to_number_score_and_filter(self):
        self.ask(TEXT)
        self.page.type("#k", "2")
        self.page.until("document.querySelectorAll('#ranked li').length === 2")
        self.page.run("(e => { e.value = 1; e.dispatchEvent(new Event('input')); })(document.getElementById('threshold'))")
        self.page.until("document.getElementById('query-status').innerText.startsWith('No label')")
        self.page.run("(e => { e.value = -0.01; e.dispatchEvent(new Event('input')); })(document.getElementById('threshold'))")
        self.page.type("#filter-input", "Music")
        self.page.until("[...document.querySelectorAll('#filter-list option')].some(e => e.value === 'Music')")
        self.page.press("Enter")
        self.page.until("document.querySelectorAll('#ranked li').length === 1")
        self.assertEqual(self.ranked(), ["Music"])
        self.page.click("#filter-chips button")
        self.page.until("document.querySelectorAll('#ranked li').length === 2")

    def test_a_label_is_added_answered_and_removed_and_its_markup_is_text(self):
        self.go("#catalogue")
        self.page.until("document.querySelectorAll('#labels tr').length === 4")
        self.page.type("#label-key", "a/b c")
        self.page.type("#label-name", MARKUP)
        self.page.type("#label-text", "planets and telescopes")
        self.page.press("Tab")  # from the text to the button
        self.page.press("Enter")
        self.page.until("document.getElementById('catalogue-note').innerText.startsWith('Saved')")
        self.assertEqual(self.page.text("#labels td"), MARKUP)
        self.page.until("document.getElementById('served').innerText.startsWith('5 labels')")
        self.go("#query")
        self.ask("planets and telescopes", 5)
        self.assertEqual(self.ranked()[0], MARKUP)
        self.go("#catalogue")
        self.page.type("#find", "A/B")
        self.page.until("document.getElementById('catalogue-status').innerText === 'All 1 that fit'")
        self.page.click("#labels tr button:last-child")
        self.page.until("document.getElementById('removal').open")
        self.assertIn(MARKUP, self.page.text("#removal-name"))
        self.page.press("Enter")  # the button that has the focus
        self.page.until("document.getElementById('catalogue-note').innerText.startsWith('Removed')")
        self.assertEqual(self.page.run("document.querySelectorAll('main img, #labels tr').length"), 0)

    def test_documents_appear_where_the_store_has_them(self):
        self.assertTrue(self.page.run("document.getElementById('spaces').hidden"))
        if "--documents" not in subprocess.run([BINARY, "index", "--help"], capture_output=True, text=True).stdout:
            self.skipTest("this build has no space of documents")
        store = Path(self.folder.name) / "with-documents"
        shutil.copytree(self.store, store)
        dexter(BINARY, "index", "--store", store, "--documents")
        server, url = start(BINARY, store)
        try:
            self.page.open(url + "/")
            self.page.until("!document.getElementById('spaces').hidden")
            self.ask(TEXT)
            self.page.until("!document.getElementById('examples-card').hidden")
            self.assertIn("something about", self.page.text("#examples .name"))
            self.page.click("#spaces input[value=documents]")
            self.page.until("document.getElementById('query-status').innerText.startsWith('10 documents')")
            self.assertIn("something about", self.page.text("#ranked .name"))
            if PICTURES:
                self.page.screenshot(PICTURES / "documents.png")
        finally:
            stop(server)

    def test_shows_figures(self):
        self.go("#figures")
        self.page.until("document.querySelectorAll('#facts dd').length === 7")
        self.page.until("document.querySelector('#training svg') !== null")
        self.assertIn("dexter eval", self.page.text("#quality"))

    def test_the_interface_can_be_read_and_tried(self):
        self.page.open(self.url + "/docs")
        self.page.until("document.querySelectorAll('.operation').length > 20")
        self.page.type("#find", "texts of openai")
        self.page.type("#find", "/v1/query")
        self.page.until("document.querySelectorAll('.operation').length === 1")
        self.page.click(".operation summary")
        self.page.until("document.querySelector('.operation form button') !== null")
        self.assertIn("threshold", self.page.text(".operation"))
        self.page.click(".operation form button")
        self.page.until("document.querySelector('.operation form pre').innerText.startsWith('200')")
        self.assertIn('"generation"', self.page.text(".operation form pre"))

    def test_asks_for_a_key_where_one_is_wanted(self):
        keys = Path(self.folder.name) / "keys"
        server, url = start(BINARY, self.store, "--api-key-file", keys, "--set", "serve.read_only=true")
        try:
            self.page.open(url + "/")
            self.page.until("document.getElementById('alert').innerText.includes('a key is wanted')")
            self.page.click(".key summary")
            self.page.type("#key", "reader-key")
            self.page.press("Enter")
            self.page.until("document.getElementById('served').innerText.includes('labels')")
            self.assertTrue(self.page.run("document.getElementById('alert').hidden"))
            self.ask(TEXT)
        finally:
            stop(server)

    def test_every_control_has_a_name_and_the_keyboard_reaches_it(self):
        for view in (*VIEWS, "/docs"):
            self.page.open(self.url + ("/" + view if view[0] == "#" else view))
            self.page.until("document.querySelectorAll('#labels tr, #facts dd, .operation, #view-query:not([hidden])').length > 0")
            controls = self.page.controls()
            self.assertGreater(len(controls), 5)
            self.assertEqual([role for role, name in controls if not name.strip()], [], view)
        self.page.open(self.url + "/")
        self.page.until("document.activeElement.id === 'text'")
        reached = []
        for _ in range(4):
            self.page.press("Tab")
            reached.append(self.page.run("document.activeElement.id"))
        self.assertEqual(reached[:3], ["k", "threshold", "filter-input"])
        self.page.run("document.getElementById('threshold').focus()")
        self.page.press("ArrowRight")
        self.assertEqual(self.page.text("#threshold-value"), "0.00 or more")

    def test_fits_a_narrow_screen_by_day_and_by_night(self):
        colours = set()
        for width, is_dark in ((360, False), (360, True), (1100, False), (1100, True)):
            self.page.size(width, 1000)
            self.page.dark(is_dark)
            for view in (*VIEWS, "/docs"):
                self.page.open(self.url + ("/" + view if view[0] == "#" else view))
                if view == "#query":
                    self.ask(TEXT)
                else:
                    self.page.until("document.querySelectorAll('#labels tr, #training svg, .operation').length > 0")
                self.assertLessEqual(self.page.run("document.documentElement.scrollWidth"), width, view)
                colours.add(self.page.run("getComputedStyle(document.body).backgroundColor"))
                if PICTURES:
                    time.sleep(0.3)  # bars grow
                    self.page.screenshot(PICTURES / f"{view[1:]}-{width}-{'dark' if is_dark else 'light'}.png")
        self.assertEqual(len(colours), 2)


if __name__ == "__main__":
    if find_browser() is None:
        print("skipped: no Chromium is installed (apt-get install chromium)")
        sys.exit(77)
    unittest.main(argv=sys.argv[:1], verbosity=2)
