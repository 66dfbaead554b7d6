"""What docs/deploy.md shows, done anew: `make test-deploy`. It asks the package index."""

import os
import re
import subprocess
import sys

import pytest
from places import ROOT

if "GTENP_TEST_DEPLOY" not in os.environ:
    pytest.skip("asks the package index: `make test-deploy`", allow_module_level=True)


def run(*command):
    done = subprocess.run(
        [*map(str, command)], cwd=ROOT, capture_output=True, text=True, check=False, timeout=500
    )
    return done.returncode, done.stdout + done.stderr


def test_a_folder_under_250_mb_answers_by_itself(gte_small, tmp_path):
    tool = ROOT / "tools/build_lambda.py"
    status, printed = run(sys.executable, tool, gte_small, tmp_path / "function")
    assert status == 0, printed
    total = int(re.search(r": (\d+) MB of 250", printed)[1])
    assert 130 < total < 200, printed
    assert "from the disk: imported and loaded in" in printed
    assert "largest difference from this process's vector: 0e+00" in printed
    status, printed = run(sys.executable, tool, gte_small, tmp_path / "function")
    assert status == 1
    assert "holds something already" in printed


@pytest.mark.usefixtures("minilm")
def test_a_folder_of_wheels_installs_where_there_is_no_route(tmp_path):
    if subprocess.run(["unshare", "--map-root-user", "--net", "true"], check=False).returncode:
        pytest.skip("this system lets nobody make a network namespace")
    status, printed = run(ROOT / "tools/install_airgapped.sh", "all-MiniLM-L6-v2", tmp_path)
    assert status == 0, printed
    assert "1 100.00   65.22   -2.45  what is the capital of China?" in printed
