"""Keys, browsers' origins, what is counted and logged, the description of the routes."""

import json
import re

import pytest

KEYS = ("first-key", "second-key")


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": "Bearer first-key"},
        {"authorization": "bearer second-key"},
        {"apikey": "second-key", "authorization": "Bearer someone's token"},
    ],
)
def test_a_request_with_a_key_is_answered(serve, headers):
    client = serve(api_keys=KEYS)
    for reply in (
        client.post("/v1/embeddings", json={"input": "a"}, headers=headers),
        client.get("/v1/models", headers=headers),
        client.get("/explain", params={"text": "a"}, headers=headers),
    ):
        assert reply.status_code == 200


@pytest.mark.parametrize(
    "headers", [{}, {"authorization": "Bearer wrong"}, {"authorization": "Basic first-key"},
                {"apikey": ""}, {"authorization": "Bearer \xe9"}],
)  # fmt: skip
def test_a_request_without_one_is_not(serve, headers):
    client = serve(api_keys=KEYS)
    encoded = {name: value.encode("latin-1") for name, value in headers.items()}
    reply = client.post("/v1/embeddings", json={"input": "a"}, headers=encoded)
    assert reply.status_code == 401
    assert reply.json()["error"]["type"] == "authentication_error"
    assert client.get("/explain?text=a", headers=encoded).status_code == 401
    reply = client.post("/embed", json={"inputs": "a"}, headers=encoded)
    assert (reply.status_code, reply.content) == (401, b"")


def test_no_key_is_never_an_empty_one(serve):
    client = serve(api_keys=("",))
    for headers in ({}, {"apikey": ""}, {"authorization": "Bearer "}):
        assert client.post("/", json={"input": "a"}, headers=headers).status_code == 401


def test_probes_metrics_and_pages_want_no_key(serve):
    client = serve(api_keys=KEYS)
    for path in ("/health", "/livez", "/readyz", "/metrics", "/", "/docs", "/openapi.json"):
        assert client.get(path).status_code == 200, path


PREFLIGHT = {
    "origin": "https://example.org",
    "access-control-request-method": "POST",
    "access-control-request-headers": "authorization, apikey, x-client-info, content-type",
}


def test_a_browser_may_ask_from_the_origins_that_were_named(serve):
    client = serve(cors=("https://example.org",))
    reply = client.options("/functions/v1/embed", headers=PREFLIGHT)
    assert reply.status_code == 200
    assert reply.headers["access-control-allow-origin"] == "https://example.org"
    allowed = reply.headers["access-control-allow-headers"].lower()
    assert set(PREFLIGHT["access-control-request-headers"].split(", ")) <= set(allowed.split(", "))
    reply = client.post("/", json={"input": "a"}, headers={"origin": "https://example.org"})
    assert reply.headers["access-control-allow-origin"] == "https://example.org"
    reply = client.post("/", json={"input": "a"}, headers={"origin": "https://else.org"})
    assert "access-control-allow-origin" not in reply.headers


def test_a_page_of_another_origin_may_not_read_what_no_origin_was_named_for(client):
    reply = client.post("/", json={"input": "a"}, headers={"origin": "https://example.org"})
    assert "access-control-allow-origin" not in reply.headers
    assert client.options("/", headers=PREFLIGHT).status_code == 405


def test_a_body_that_is_too_large_is_refused_whether_its_length_is_told_or_not(serve):
    client = serve(max_body=1000)
    content = json.dumps({"input": "a" * 2000}).encode()
    for body in (content, iter([content[:500], content[500:]])):
        reply = client.post("/v1/embeddings", content=body)
        assert reply.status_code == 413
        assert "over 1,000 bytes" in reply.json()["error"]["message"]


def test_a_path_that_is_not_there_and_a_method_that_is_not(client):
    reply = client.post("/v1/completions", json={})
    assert (reply.status_code, reply.json()["error"]["message"]) == (404, "Not Found")
    assert reply.json()["error"]["code"] == "not_found"
    reply = client.get("/v1/embeddings")
    assert reply.status_code == 405
    assert reply.headers["allow"] == "POST"
    assert reply.json()["error"]["code"] == "method_not_allowed"


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/embed", {"error": "Method Not Allowed", "error_type": "Validation"}),
        ("/v2/rerank", {"message": "Method Not Allowed"}),
        ("/functions/v1/embed", {"error": "Method Not Allowed"}),
    ],
)
def test_a_wrong_method_is_told_as_the_paths_protocol_tells_it(client, path, body):
    reply = client.get(path)
    assert (reply.status_code, reply.json()) == (405, body)


def test_a_slash_too_many_is_not_found_and_leads_to_no_other_address(client):
    reply = client.post("/embed/", json={"inputs": "a"}, follow_redirects=False)
    assert reply.status_code == 404
    assert reply.json() == {"error": "Not Found", "error_type": "Validation"}


def test_a_fault_in_a_page_is_told_counted_and_logged(client, monkeypatch, capfd):
    from gtenp.serve import openapi

    monkeypatch.setattr(openapi, "page", None)
    reply = client.get("/docs")
    assert (reply.status_code, reply.json()["error"]["code"]) == (500, "failed")
    assert "TypeError" in capfd.readouterr().err
    assert 'gtenp_requests_total{route="/docs",status="500"} 1.0' in client.get("/metrics").text


# ── What is written down ─────────────────────────────────────────────────────────────────────────


def test_the_log_has_a_line_a_request_and_never_a_text(serve, capfd):
    client = serve(log_format="json")
    secret = "zebra"
    client.post("/v1/embeddings", json={"input": [secret, secret * 100]})
    client.post("/v1/embeddings", json={"input": [secret, 5], "prompt_name": secret})
    client.post("/v1/embeddings", content=b'{"input": "' + secret.encode())
    client.get("/nowhere")
    printed = capfd.readouterr().err
    assert secret not in printed
    lines = [json.loads(line) for line in printed.splitlines()]
    assert [(line["route"], line["status"], line["texts"]) for line in lines] == [
        ("/v1/embeddings", 200, 2), ("/v1/embeddings", 400, 0), ("/v1/embeddings", 400, 0),
        ("none", 404, 0),
    ]  # fmt: skip
    assert lines[0].keys() == {
        "time", "id", "route", "status", "texts", "tokens", "truncated", "queue_ms", "compute_ms",
        "total_ms",
    }  # fmt: skip
    assert lines[0]["tokens"] > 2


def test_the_log_for_people_says_the_same(serve, capfd):
    serve(log_format="text").post("/", json={"input": "zebra"})
    assert re.search(r" route=/ status=200 texts=1 tokens=\d+ ", capfd.readouterr().err)


def test_an_id_is_given_or_handed_on(client):
    reply = client.post("/", json={"input": "a"}, headers={"x-request-id": "abc-1"})
    assert reply.headers["x-request-id"] == "abc-1"
    for forged in ("a b", "x" * 200, 'a"b'):
        reply = client.post("/", json={"input": "a"}, headers={"x-request-id": forged})
        assert re.fullmatch("[0-9a-f]{32}", reply.headers["x-request-id"])


def test_the_time_of_each_stage_is_told(client):
    timing = client.post("/", json={"input": "a"}).headers["server-timing"]
    assert re.fullmatch(r"read;dur=[\d.]+, queue;dur=[\d.]+, compute;dur=[\d.]+", timing)


def test_requests_texts_and_batches_are_counted(client):
    client.post("/v1/embeddings", json={"input": ["a", "hello " * 100]})
    client.post("/v1/embeddings", json={"input": 5})
    client.get("/nowhere")
    lines = client.get("/metrics").text.splitlines()
    for line in (
        'gtenp_requests_total{route="/v1/embeddings",status="200"} 1.0',
        'gtenp_requests_total{route="/v1/embeddings",status="400"} 1.0',
        'gtenp_requests_total{route="none",status="404"} 1.0',
        "gtenp_texts_total 2.0",
        "gtenp_tokens_total 67.0",
        "gtenp_truncated_texts_total 1.0",
        "gtenp_queue_requests 0.0",
        "gtenp_batch_texts_sum 2.0".replace("'", '"'),
        'gtenp_request_seconds_count{route="/v1/embeddings"} 2.0',
    ):
        assert line in lines, line


def test_a_fault_of_the_servers_own_is_told_and_logged(client, monkeypatch, capfd):
    from gtenp.serve import wire

    def fail(_):
        raise KeyError("a fault")

    monkeypatch.setattr(wire, "write", lambda reply, write=wire.write: (
        write(reply) if "error" in reply else fail(reply)
    ))  # fmt: skip
    reply = client.post("/v1/embeddings", json={"input": "a"})
    assert reply.status_code == 500
    assert "the server failed at it" in reply.json()["error"]["message"]
    assert "KeyError: 'a fault'" in capfd.readouterr().err


# ── What is described ────────────────────────────────────────────────────────────────────────────


def test_the_description_is_of_what_is_served(serve):
    with_reranker = serve().get("/openapi.json").json()
    without = serve(reranker=False).get("/openapi.json").json()
    assert set(with_reranker["paths"]) - set(without["paths"]) == {
        "/rerank", "/v1/rerank", "/v2/rerank",
    }  # fmt: skip
    assert "x-instead" not in json.dumps(with_reranker)
    assert "components" not in without
    locked = serve(api_keys=KEYS).get("/openapi.json").json()
    assert locked["components"]["securitySchemes"] == {"key": {"type": "http", "scheme": "bearer"}}
    assert locked["paths"]["/embed"]["post"]["security"] == [{"key": []}]


def test_the_docs_list_each_route_and_field(client):
    found = client.get("/openapi.json").json()
    page = client.get("/docs").text
    for path in found["paths"]:
        assert path in page
    assert "<code>encoding_format</code></td><td>&quot;float&quot; or &quot;base64&quot;" in page


def test_the_explain_page_is_of_the_texts(client):
    page = client.get("/explain", params={"text": ["hello world", "quick sort"]}).text
    assert "<title>hello world · tiny</title>" in page
    reply = client.get("/explain")
    assert reply.status_code == 400
    assert "wanted one to four texts" in reply.json()["error"]["message"]
