"""The files an operator starts from: what systemd says of the unit, and whether the container file holds together.

usage: deploy_test.py DEXTER
"""
import json
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "tools" / "deploy"
BINARY = sys.argv[1]
INSTRUCTIONS = {"FROM", "ENV", "COPY", "WORKDIR", "RUN", "USER", "VOLUME", "EXPOSE", "STOPSIGNAL", "ENTRYPOINT", "CMD"}


def instructions():
    """(instruction, rest) of the container file, continued lines joined."""
    text = re.sub(r"^#.*\n", "", (DEPLOY / "Containerfile").read_text(), flags=re.MULTILINE)
    return [line.split(maxsplit=1) for line in re.sub(r"\\\n\s*", " ", text).splitlines() if line.strip()]


def output(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def dependencies(package):
    done = subprocess.run(["dpkg-query", "--show", "--showformat=${Depends}", package], capture_output=True, text=True)
    return re.findall(r"(?:^|, )(lib[\w.+-]+)", done.stdout)


def owner_of(path):
    done = subprocess.run(["dpkg-query", "--search", Path(path).resolve()], capture_output=True, text=True)
    return done.stdout.split(":")[0]


class Unit(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_has_nothing_to_say_of_it(self):
        with tempfile.TemporaryDirectory() as folder:
            unit = Path(folder) / "dexter.service"
            unit.write_text((DEPLOY / "dexter.service").read_text().replace("/usr/local/bin/dexter", BINARY))
            done = subprocess.run(["systemd-analyze", "verify", unit], capture_output=True, text=True)
            said = [line for line in done.stderr.splitlines() if "dexter.service" in line]
            self.assertEqual((done.returncode, said), (0, []))

    def test_it_stops_no_sooner_than_the_server_does(self):
        drain_ms = int(re.search(r"^\s*serve\.drain_ms\s+(\d+)", output(BINARY, "config"), re.MULTILINE)[1])
        stop_s = int(re.search(r"TimeoutStopSec=(\d+)", (DEPLOY / "dexter.service").read_text())[1])
        self.assertGreater(1000 * stop_s, drain_ms)


class ContainerFile(unittest.TestCase):
    def test_each_line_is_an_instruction_and_each_stage_is_there(self):
        stages = set()
        for name, rest in instructions():
            self.assertIn(name, INSTRUCTIONS)
            if name == "FROM" and " AS " in rest:
                stages.add(rest.split()[-1])
            for source in re.findall(r"--from=(\S+)", rest):
                self.assertIn(source, stages)
            if name in ("ENTRYPOINT", "CMD"):
                self.assertIsInstance(json.loads(rest), list)
        self.assertEqual([rest for name, rest in instructions() if name == "USER"], ["dexter"])

    @unittest.skipUnless(shutil.which("dpkg-query"), "not a Debian system")
    def test_it_installs_every_library_that_the_binary_is_linked_with(self):
        named = set(re.findall(r"lib\S+|zlib1g", " ".join(rest for name, rest in instructions() if name == "RUN")))
        come_along, new = {"libc6", "libgcc-s1", "libstdc++6"}, named
        while new:  # and what they depend on
            come_along |= new
            new = {name for package in new for name in dependencies(package)} - come_along
        linked = {owner for path in re.findall(r"=> (/(?:usr/)?lib/\S+)", output("ldd", BINARY)) if (owner := owner_of(path))}
        self.assertIn("librocksdb7.8", linked)
        self.assertEqual(linked - come_along, set())


if __name__ == "__main__":
    unittest.main(argv=[sys.argv[0]])
