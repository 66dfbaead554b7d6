from pathlib import Path

import gtenp


def test_each_integration_has_at_most_thirty_lines_of_code():
    for path in Path(gtenp.__file__).parent.joinpath("integrations").glob("*.py"):
        lines = [line for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        assert len(lines) <= 30, path.name
