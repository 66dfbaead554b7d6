"""``gtenp evaluate sts`` for all-MiniLM-L6-v2, the model of the README's figure, or another.

usage: python tools/evaluate_sts.py FILE [MODEL]
"""

from __future__ import annotations

import sys

from gtenp.cli import main

if __name__ == "__main__":
    if len(sys.argv) not in (2, 3):
        sys.exit(__doc__)
    file, model = [*sys.argv[1:], "all-MiniLM-L6-v2"][:2]
    main(["evaluate", "sts", file, "--model", model])
