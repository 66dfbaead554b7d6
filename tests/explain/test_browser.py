"""The page of ``gtenp explain --html`` in a real Chromium, drawn without a screen.

A test may add a script to its copy of the page, which clicks and types as a reader would.
"""

from __future__ import annotations

import html
import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from places import DATA

from gtenp import Embedder
from gtenp.explain.explain import compare, explain
from gtenp.explain.page import page

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None:
    pytest.skip(
        "no chromium, chromium-browser or google-chrome on the PATH", allow_module_level=True
    )

HOSTILE = '</script><img src="http://127.0.0.1:9/x" onerror="fail(1)"><!--'
TEXTS = ["a quick sort of the world", "hello world", HOSTILE]

# Puts what a script finds where --dump-dom shows it, once the page is drawn.
PROBE = """
<script>
async function probe() {
  while (!root.dataset.ready) await new Promise((done) => setTimeout(done, 10));
  const found = await (async () => { %s })();
  const element = document.createElement("script");
  element.type = "application/json";
  element.id = "found";
  element.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
  document.body.append(element);
}
probe();
</script>
"""


@pytest.fixture(scope="module")
def content():
    embedder = Embedder(DATA / "tiny")
    first, *others = explained = explain(embedder, TEXTS)
    comparisons = [compare(embedder, first, other) for other in others]
    return page("tiny", "cosine", explained, comparisons).decode()


def chromium(folder, content, *flags, address=""):
    """Open the page; what Chromium printed."""
    path = folder / "page.html"
    path.write_text(content, encoding="utf-8")
    command = [
        CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking",
        "--disable-component-update", "--disable-sync", "--no-first-run", "--hide-scrollbars",
        f"--user-data-dir={folder / 'profile'}", "--virtual-time-budget=10000",
        *flags, f"{path.as_uri()}#{address}",
    ]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout


def probed(folder, content, script, *flags, address=""):
    """What the script returns in the page once it is drawn, and the <html> element then."""
    printed = chromium(folder, content + PROBE % script, *flags, "--dump-dom", address=address)
    root = re.search(r"<html[^>]*>", printed)[0]
    found = re.search(r'id="found">(.*?)</script>', printed, re.DOTALL)
    assert found, f"the page was not drawn: {root}"
    assert "data-error" not in root
    return json.loads(found[1]), root


def test_the_page_draws_all_that_it_holds_and_fetches_nothing(content, tmp_path):
    found, root = probed(
        tmp_path,
        content,
        """return {
          title: byId("text").textContent,
          tokens: byId("tokens").children.length,
          heads: byId("heads").querySelectorAll("button canvas").length,
          lines: byId("lines").querySelectorAll("polyline").length,
          score: byId("score").textContent,
          look: byId("look").textContent,
          images: document.images.length,
          fetched: performance.getEntriesByType("resource").map((entry) => entry.name),
        }""",
    )
    assert 'data-text="0" data-layer="0" data-head="-1" data-token="1"' in root
    assert found["title"] == TEXTS[0]
    assert (found["tokens"], found["heads"], found["lines"]) == (8, 2 * 4, 8)
    assert re.fullmatch(r"0\.\d{4}", found["score"])
    assert found["look"].startswith("“a” looks at ")
    assert found["images"] == 0
    assert found["fetched"] == []


def test_the_shares_shown_and_the_colours_drawn_are_the_attention(content, tmp_path):
    (text,) = explain(Embedder(DATA / "tiny"), TEXTS[:1])
    found, _ = probed(
        tmp_path,
        content,
        """
        const canvas = byId("attention");
        const { tokens } = data.texts[0];
        const { left, top, wide, high } = layout(canvas, tokens, tokens);
        const draw = canvas.getContext("2d");
        const colour = (j) =>
          [...draw.getImageData(left + (j + 0.5) * wide, top + 3.5 * high, 1, 1).data.slice(0, 3)];
        const place = (j) => ramps.one.findIndex((rgb) => rgb.join() === colour(j).join());
        return {
          shown: Array.from(document.querySelectorAll("small"), (e) => parseFloat(e.textContent)),
          drawn: tokens.map((_, j) => place(j)),
        };
        """,
        address="layer=1&head=2&token=3",
    )
    weights = text.attention[1, 2, 3]
    assert found["shown"] == pytest.approx((100 * weights).tolist(), abs=0.9)  # 0.4 of a byte
    assert found["drawn"] == pytest.approx((255 * np.sqrt(weights)).tolist(), abs=3)


def test_the_address_opens_a_hostile_text_harmlessly(content, tmp_path):
    found, root = probed(
        tmp_path,
        content,
        'return [byId("text").textContent, document.images.length, byId("failure").hidden]',
        address="text=2&layer=1&head=3&token=99&other=1&measure=nonsense",
    )
    assert found == [HOSTILE, 0, True]
    assert 'data-text="2" data-layer="1" data-head="3"' in root
    assert 'data-other="1" data-level="2" data-measure="contributions"' in root


def test_pointer_and_keyboard_choose_layer_head_token_and_pair(content, tmp_path):
    found, _ = probed(
        tmp_path,
        content,
        """
        const seen = [];
        const see = () => seen.push([state.layer, state.head, state.token]);
        const key = (element, key) => element.dispatchEvent(
          new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
        const heads = byId("heads").querySelectorAll("button");
        heads[1].click(); see();
        heads[1].focus(); key(heads[1], "ArrowDown"); see();
        key(document.activeElement, "ArrowRight"); see();
        byId("head").value = -1; byId("head").dispatchEvent(new Event("input")); see();
        byId("tokens").children[4].focus(); see();
        key(byId("attention"), "ArrowDown"); see();
        byId("tokens").children[2].dispatchEvent(new PointerEvent("pointerenter"));
        seen.push(byId("look").textContent.split(" ")[0]);
        byId("tokens").children[2].dispatchEvent(new PointerEvent("pointerleave"));
        seen.push(byId("look").textContent.split(" ")[0]);
        const wholes = byId("pair").textContent;
        key(byId("similarity"), "ArrowDown"); key(byId("similarity"), "ArrowRight");
        seen.push(byId("pair").textContent.split("  ")[0]);
        byId("measure").value = "cosine"; byId("measure").dispatchEvent(new Event("change"));
        byId("level").value = 0; byId("level").dispatchEvent(new Event("input"));
        seen.push(byId("measure-note").textContent, location.hash.includes("level=0"));
        byId("text-select").value = 1;
        byId("text-select").dispatchEvent(new Event("change"));
        seen.push(byId("tokens").children.length);
        return seen;
        """,
    )
    assert found == [
        [0, 1, 1], [1, 1, 1], [1, 2, 1], [1, -1, 1], [1, -1, 4], [1, -1, 5],
        "“quick”", "“the”", "“a” · “hello”",
        "The cosine of the two tokens’ states, after the embeddings.", True, 4,
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("scheme", "width", "background", "white"),
    [(0, 500, "rgb(18, 22, 28)", [24, 29, 37]), (1, 1600, "rgb(251, 251, 249)", [255, 255, 255])],
    ids=["dark and narrow", "light and wide"],
)
def test_the_page_fits_the_window_and_the_readers_light(
    content, tmp_path, scheme, width, background, white
):
    flags = (f"--blink-settings=preferredColorScheme={scheme}", f"--window-size={width},900")
    found, _ = probed(
        tmp_path,
        content,
        """return [
          document.documentElement.scrollWidth, innerWidth,
          getComputedStyle(document.body).backgroundColor, ramps.one[0],
        ]""",
        *flags,
        address="text=2",
    )
    assert found[0] <= found[1] == width
    assert found[2:] == [background, white]


def test_an_error_in_the_page_is_shown_there(content, tmp_path):
    broken = re.sub(r'"zlib":"[^"]{8}', '"zlib":"AAAAAAAA', content, count=1)
    printed = chromium(tmp_path, broken, "--dump-dom")
    assert re.search(r"<html[^>]* data-error=", printed)
    assert "This page could not be drawn: " in printed


def test_in_a_notebooks_frame_the_page_is_drawn_and_can_be_changed(tmp_path):
    (text,) = explain(Embedder(DATA / "tiny"), TEXTS[:1])
    frame = text._repr_html_()
    # The frame tells the page around it, which the sandbox keeps from looking in.
    inner = """
    while (!root.dataset.ready) await new Promise((done) => setTimeout(done, 10));
    set({ layer: 1 });
    parent.postMessage([root.dataset.layer, byId("text").textContent], "*");
    """
    told = html.escape(f"<script>(async () => {{ {inner} }})()</script>")
    frame = frame.replace('"></iframe>', f'{told}"></iframe>')
    outer = """<script>
    addEventListener("message", (event) => document.body.append(JSON.stringify(event.data)));
    </script>"""
    # A sandbox in a process of its own would not share Chromium's virtual time.
    flags = ("--disable-features=IsolateSandboxedIframes", "--dump-dom")
    printed = chromium(tmp_path, f"<body>{outer}{frame}</body>", *flags)
    assert f'["1","{TEXTS[0]}"]' in printed
