"""The page of ``gtenp serve`` in a real Chromium, which asks a real server.

Chromium is driven as in tests/explain/test_browser.py: a script that clicks and types as a reader
would is put into the page on its way, by a proxy of a few lines in front of the server.
"""

from __future__ import annotations

import http.server
import json
import re
import shutil
import subprocess
import threading
import urllib.error
import urllib.request

import numpy as np
import pytest

CHROMIUM = next(
    filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None
)
if CHROMIUM is None:
    pytest.skip(
        "no chromium, chromium-browser or google-chrome on the PATH", allow_module_level=True
    )

HOSTILE = '</script><img src=x onerror="fail(1)">'

FIELDS = ("input", "inputs")  # of the two requests that the page makes at once

PROBE = """
<script>
const settled = async (times) => {
  while (Number(root.dataset.settled || 0) < times) await new Promise((r) => setTimeout(r, 10));
};
const type = (id, text) => {
  byId(id).value = text;
  byId(id).dispatchEvent(new Event("input", { bubbles: true }));
};
const press = (id, key) => byId(id).dispatchEvent(
  new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
(async () => {
  await settled(1);
  const found = await (async () => { %s })();
  const element = document.createElement("script");
  element.type = "application/json";
  element.id = "result";
  element.textContent = JSON.stringify(found).replaceAll("<", "\\\\u003c");
  document.body.append(element);
})();
</script>
"""


class Proxy(http.server.BaseHTTPRequestHandler):
    """Hands on to the server; the page gets a script, and paths that were asked for are noted."""

    server: Proxies

    def answer(self):
        self.server.asked.append(self.path)
        length = int(self.headers.get("content-length", "0"))
        headers = {"authorization": self.headers.get("authorization", "")}
        request = urllib.request.Request(
            self.server.url + self.path, self.rfile.read(length) if length else None, headers
        )
        try:
            reply = urllib.request.urlopen(request, timeout=30)
        except urllib.error.HTTPError as error:
            reply = error
        with reply:
            content = reply.read()
        if self.path == "/":
            content += (PROBE % self.server.script).encode()
        self.send_response(reply.status)
        for name in ("content-type", "server-timing"):
            if reply.headers[name]:
                self.send_header(name, reply.headers[name])
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    do_GET = do_POST = answer  # noqa: N815

    def log_message(self, *_):
        pass


class Proxies(http.server.ThreadingHTTPServer):
    def __init__(self, url, script):
        super().__init__(("127.0.0.1", 0), Proxy)
        self.url, self.script, self.asked = url, script, []


@pytest.fixture
def look(gtenp_serve, folder, tmp_path):
    """A function: a script -> what it returns in the page, <html>, the paths that were asked for.

    Other arguments are Chromium's flags, and those of gtenp serve as ``serve``.
    """

    def look(script, *flags, serve=()):
        server = gtenp_serve("--model", folder, *serve)
        with Proxies(server.url, script) as proxy:
            threading.Thread(target=proxy.serve_forever).start()
            command = [
                CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu",
                "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--no-first-run", "--hide-scrollbars", f"--user-data-dir={tmp_path / 'profile'}",
                "--virtual-time-budget=20000", "--dump-dom", *flags,
                f"http://127.0.0.1:{proxy.server_port}/",
            ]  # fmt: skip
            done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
            proxy.shutdown()
        root = re.search(r"<html[^>]*>", done.stdout)[0]
        found = re.search(r'id="result">(.*?)</script>', done.stdout, re.DOTALL)
        assert found, done.stdout[-2000:]
        assert "data-error" not in root
        return json.loads(found[1]), proxy.asked

    return look


def test_the_page_shows_tokens_cosines_a_map_and_the_time(look, embedder):
    found, asked = look(
        """
        type("texts", ["hello world", "quick sort", HOSTILE].join("\\n"));
        await settled(2);
        press("heat", "ArrowDown");
        press("map", "ArrowRight");
        return {
          model: byId("model").textContent,
          timing: byId("timing").textContent,
          tokens: [...document.querySelectorAll("#tokens li:first-child span")].map(
            (e) => [e.firstChild.textContent, +e.lastChild.textContent]),
          rows: byId("tokens").children.length,
          cell: byId("cell").textContent,
          near: byId("near").textContent,
          share: byId("share").textContent,
          explain: byId("explain").getAttribute("href"),
          places, vectors,
          images: document.images.length,
          fetched: performance.getEntriesByType("resource").map((e) => new URL(e.name).host),
          host: location.host,
        };
        """.replace("HOSTILE", json.dumps(HOSTILE).replace("</", "<\\/"))
    )
    texts = ["hello world", "quick sort", HOSTILE]
    ids = embedder.token_ids(texts)
    tokens = embedder.tokenizer.convert_ids_to_tokens(ids[0])
    vectors = embedder.encode(texts)
    cosines = vectors @ vectors.T
    assert found["model"] == "tiny" or found["model"].endswith("/tiny")
    assert re.match(rf"{sum(map(len, ids))} tokens in [\d.]+ ms \(read [\d.]+, ", found["timing"])
    assert [text for text, _ in found["tokens"]] == tokens
    assert [id for _, id in found["tokens"]] == ids[0]
    assert found["rows"] == 3
    assert found["cell"].startswith(f"{cosines[1, 1]:.3f}: 2 “quick sort” and 2 “quick sort”")
    assert f"1 {cosines[1, 0]:.3f}" in found["near"].replace("−", "-")
    np.testing.assert_allclose(found["vectors"], vectors, atol=1e-6)
    assert found["explain"] == "explain?text=hello%20world&text=quick%20sort"
    assert found["images"] == 0
    assert set(found["fetched"]) == {found["host"]}
    assert set(asked) == {"/", "/v1/embeddings", "/tokenize"}
    share = principal_share(vectors)
    assert f"hold {round(100 * share)} % of the variance" in found["share"]


def principal_share(vectors):
    values = np.linalg.svd(vectors - vectors.mean(axis=0), compute_uv=False) ** 2
    return values[:2].sum() / values.sum()


def test_the_search_scores_as_one_types_and_reads_a_query_as_one(look, embedder):
    found, _ = look(
        """
        type("texts", "hello world\\nquick sort\\nthe capital of china");
        await settled(2);
        type("query", "china");
        await settled(3);
        return [...byId("found").children].map(
          (e) => [e.children[2].textContent, e.children[0].textContent]);
        """
    )
    texts = ["hello world", "quick sort", "the capital of china"]
    scores = embedder.encode(texts) @ embedder.encode_query("china")
    assert found == [[texts[i], f"{scores[i]:.3f}".replace("-", "−")] for i in np.argsort(-scores)]


def test_the_request_can_be_copied_and_run(look, gtenp_serve, folder, embedder):
    found, _ = look(
        """
        byId("kind").value = "document";
        byId("texts").value = "it's a quick\\nsort $HOME";
        byId("kind").dispatchEvent(new Event("change"));
        await settled(2);
        const shown = {};
        for (const button of document.querySelectorAll("[data-language]")) {
          button.click();
          shown[button.dataset.language] = byId("code").textContent;
        }
        return [location.origin, shown];
        """
    )
    origin, shown = found
    texts = ["it's a quick", "sort $HOME"]
    wanted = embedder.encode_document(texts)
    server = gtenp_serve("--model", folder)
    commands = {"curl": ["sh", "-c", shown["curl"].replace(origin, server.url)]}
    if shutil.which("node"):
        script = shown["javascript"].replace(origin, server.url)
        script += (
            "\nconsole.log(JSON.stringify({ data: vectors.map((embedding) => ({ embedding })) }))"
        )
        commands["javascript"] = ["node", "--input-type=module", "-e", script]
    for command in commands.values():
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        data = json.loads(done.stdout)["data"]
        np.testing.assert_allclose([item["embedding"] for item in data], wanted, atol=1e-6)
    openai = pytest.importorskip("openai")
    assert openai
    names = {}
    exec(shown["python"].replace(origin, server.url), names)
    names["client"].close()
    np.testing.assert_allclose(names["vectors"], wanted, atol=1e-6)


def test_a_server_with_a_key_is_asked_once_the_key_is_there(look):
    found, _ = look(
        """
        const before = [byId("failure").textContent, byId("key-choice").hidden];
        byId("key").value = "secret";
        byId("key").dispatchEvent(new Event("change"));
        await settled(3); // the query is read anew too
        return [...before, byId("failure").hidden, vectors.length, byId("code").textContent];
        """,
        serve=("--api-key", "secret"),
    )
    assert found[:4] == ["This server wants a key; type it beside the texts.", False, True, 6]
    assert "secret" not in found[4]


def test_what_the_server_refuses_is_told_in_the_page(look):
    found, _ = look(
        """
        type("texts", "hello\\n".repeat(3));
        await settled(2);
        return [byId("failure").textContent, byId("failure").hidden];
        """,
        serve=("--max-inputs", "2"),
    )
    assert found in [[f"{name} has 3 items, wanted 2 at most", False] for name in FIELDS]


@pytest.mark.parametrize(
    ("scheme", "width", "background"),
    [(0, 500, "rgb(18, 22, 28)"), (1, 1600, "rgb(251, 251, 249)")],
    ids=["dark and narrow", "light and wide"],
)
def test_the_page_fits_the_window_and_the_readers_light(look, scheme, width, background):
    found, _ = look(
        """
        type("query", "Beijing"); await settled(2);
        return [document.documentElement.scrollWidth, innerWidth,
          getComputedStyle(document.body).backgroundColor,
          [...document.querySelectorAll("textarea, input, select, button, canvas, a, pre")].every(
            (e) => e.tabIndex >= 0)];
        """,
        f"--blink-settings=preferredColorScheme={scheme}",
        f"--window-size={width},900",
    )
    assert found[0] <= found[1] == width
    assert found[2:] == [background, True]
