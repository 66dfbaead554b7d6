import base64
import html
import json
import re
import zlib
from html.parser import HTMLParser

import numpy as np
import pytest
from places import DATA

from gtenp import Embedder
from gtenp.errors import InputError
from gtenp.explain import page_file
from gtenp.explain.explain import compare, explain
from gtenp.explain.page import page
from gtenp.explain.page_file import write

HOSTILE = '</script></title><img src=x onerror="fail(1)"><!--{{data}}'
TEXTS = ["hello world", "a quick sort", HOSTILE]


@pytest.fixture(scope="module")
def embedder():
    return Embedder(DATA / "tiny")


@pytest.fixture(scope="module")
def explained(embedder):
    return explain(embedder, TEXTS)


@pytest.fixture(scope="module")
def content(embedder, explained):
    first, *others = explained
    comparisons = [compare(embedder, first, other) for other in others]
    return page("<b>tiny", "cosine", explained, comparisons).decode()


class Elements(HTMLParser):
    """The names of a page's elements, and the text of those that hold no others."""

    def __init__(self, content):
        super().__init__()
        self.names, self.texts = ["(none)"], {}
        self.feed(content)

    def handle_starttag(self, tag, attrs):  # noqa: ARG002
        self.names.append(tag)

    def handle_data(self, data):
        self.texts[self.names[-1]] = self.texts.get(self.names[-1], "") + data


def data_of(content):
    return json.loads(re.search(r'id="data">(.*?)</script>', content, re.DOTALL)[1])


def unpacked(matrix, dtype):
    content = zlib.decompress(base64.b64decode(matrix["zlib"]))
    return np.frombuffer(content, dtype).reshape(matrix["shape"])


def test_the_page_holds_the_attention_within_what_a_byte_allows(content, explained):
    for text, found in zip(explained, data_of(content)["texts"], strict=True):
        attention = (unpacked(found["attention"], np.uint8) / 255) ** 2
        assert np.abs(attention - text.attention).max() <= 0.004


def test_the_page_holds_tokens_norms_and_texts(content, explained):
    data = data_of(content)
    assert [text["text"] for text in data["texts"]] == TEXTS
    assert data["texts"][1]["tokens"] == list(explained[1].tokens)
    np.testing.assert_allclose(data["texts"][1]["norms"], explained[1].norms, atol=5e-4)


def test_the_page_holds_each_comparison_with_the_first(content, embedder, explained):
    found = data_of(content)["comparisons"][1]
    expected = compare(embedder, explained[0], explained[2])
    assert found["score"] == pytest.approx(expected.score, abs=1e-6)
    np.testing.assert_allclose(
        unpacked(found["contributions"], "<f4"), expected.contributions, atol=1e-6
    )
    cosines = unpacked(found["cosines"], np.int8) / 127
    np.testing.assert_allclose(cosines, expected.cosines, atol=0.004)


def test_a_hostile_text_or_model_name_does_not_break_out(embedder):
    (text,) = explain(embedder, [HOSTILE])
    harmless = Elements(page("tiny", "cosine", explain(embedder, ["hello"]), []).decode())
    hostile = Elements(page(HOSTILE, "cosine", [text], []).decode())
    assert hostile.names == harmless.names
    assert hostile.texts["title"].startswith(HOSTILE[:60])


def test_a_folders_name_may_be_no_utf_8(explained):
    assert " · tin?</title>" in page("tin\udcff", "cosine", explained[:1], []).decode()


def test_the_page_names_no_address_to_fetch(content):
    assert set(re.findall(r"\w+://[^\s\"']+", content)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(
        r"@import|url\(|\bsrc=[^x]|<link(?! rel=\"icon\" href=\"data:,\")", content
    )


def test_a_notebook_shows_an_explanation_as_its_page(embedder):
    (text,) = explain(embedder, [HOSTILE])
    frame = text._repr_html_()
    assert Elements(frame).names == ["(none)", "iframe"]
    content = re.search(r'srcdoc="([^"]*)"', frame)[1]
    assert html.unescape(content) == page(str(DATA / "tiny"), "", [text], []).decode()


def test_a_page_of_too_many_weights_is_refused_before_anything_is_computed(
    embedder, tmp_path, monkeypatch
):
    monkeypatch.setattr(page_file, "MAX_WEIGHTS", 2 * 4 * 4**2)
    write(tmp_path / "fits.html", embedder, "tiny", ["hello world"])
    with pytest.raises(InputError, match=r"texts of 4 \+ 3 tokens have 200 attention weights"):
        write(tmp_path / "not.html", embedder, "tiny", ["hello world", "hello"])
    assert [path.name for path in tmp_path.iterdir()] == ["fits.html"]


def test_a_page_that_fails_half_way_leaves_nothing(embedder, tmp_path, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(page_file, "page", stop)
    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "page.html", embedder, "tiny", ["hello"])
    assert list(tmp_path.iterdir()) == []
