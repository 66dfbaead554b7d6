"""The clients that docs/serve.md shows, as they stand there."""

import json
import re
import shutil
import subprocess
import sys
import urllib.request

import pytest
from places import ROOT

ADDRESS = "http://127.0.0.1:8080"
PAGE = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
BLOCKS = {
    language: re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    for language in ("py", "js", "sh")
}


@pytest.mark.parametrize("code", BLOCKS["py"], ids=lambda code: code.split()[1])
def test_a_block_of_python_runs(url, code):
    done = subprocess.run(
        [sys.executable, "-c", code.replace(ADDRESS, url)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()


@pytest.mark.skipif(shutil.which("node") is None, reason="no Node")
def test_the_block_of_javascript_runs(url):
    (code,) = BLOCKS["js"]
    done = subprocess.run(
        ["node", "--input-type=module", "-e", code.replace(ADDRESS, url)],
        capture_output=True, text=True, timeout=60, check=True,
    )  # fmt: skip
    assert done.stdout == "384\n"


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
def test_the_lines_of_curl_run(url):
    lines = [line for block in BLOCKS["sh"] for line in block.splitlines() if "curl" in line]
    assert len(lines) == 3
    for line in lines:
        command = line.replace("curl", "curl -sS --fail").replace(ADDRESS, url)
        done = subprocess.run(command, shell=True, capture_output=True, timeout=60, check=True)
        assert len(done.stdout) > 1000


def test_the_page_names_every_route(url):
    with urllib.request.urlopen(f"{url}/openapi.json", timeout=20) as reply:
        for path in json.load(reply)["paths"]:
            assert f"`{path}" in PAGE or f" {path}`" in PAGE or f"{path}?" in PAGE, path
