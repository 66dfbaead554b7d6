"""The frozen tables are what the generator makes of the reference today."""

from __future__ import annotations

import sys

from places import ROOT


def test_the_tables_are_what_the_reference_says(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "tools"))
    import make_unicode_tables

    sys.modules.pop("make_unicode_tables")
    frozen = (ROOT / "gtenp" / "tokenizer" / "unicode_tables.py").read_text(encoding="utf-8")

    def tables(text: str) -> str:  # but for the header, which names the reference's version
        return text.partition("\n\n#")[2]

    assert tables(make_unicode_tables.generate()) == tables(frozen)
