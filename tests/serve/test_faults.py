"""A bounded form of what tools/serve_faults.py does in full."""

import subprocess
import sys

import pytest
from places import ROOT


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells memory and workers")
def test_no_good_request_suffers_from_bad_clients(folder, tmp_path):
    done = subprocess.run(
        [
            sys.executable, str(ROOT / "tools/serve_faults.py"), str(folder),
            "--drops", "200", "--bodies", "800", "--slow", "40", "--seconds", "3",
        ],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert not list(tmp_path.iterdir())
