"""``gtenp serve`` as a process: where it listens, how it ends, what its workers share."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
import socket
import sys
import threading
import time
import urllib.request
from pathlib import Path

import pytest
from command_line import gtenp_process, run
from served import post, wait_until_ready

BODY = {"input": "hello world"}


def embed(url, body=BODY, **headers):
    return post(url, "/v1/embeddings", body, **headers)


def end(process, sig=signal.SIGTERM):
    process.send_signal(sig)
    assert process.wait(20) == 0, process.stderr.read()


def test_port_0_takes_a_free_one_and_prints_the_address(gtenp_serve, folder):
    first, second = (gtenp_serve("--model", folder) for _ in range(2))
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", first.url)
    assert first.url != second.url
    assert embed(first.url)[0] == embed(second.url)[0] == 200


@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("workers", [1, 2])
def test_a_signal_ends_it_with_status_0(gtenp_serve, folder, sig, workers):
    process = gtenp_serve("--model", folder, "--workers", workers)
    end(process, sig)


def test_requests_under_way_are_answered_before_it_ends(gtenp_serve, folder):
    process = gtenp_serve("--model", folder)
    body = {"input": ["hello " * 60] * 2048}
    replies = []
    asking = threading.Thread(target=lambda: replies.append(embed(process.url, body)))
    asking.start()
    host, port = process.url.removeprefix("http://").split(":")
    probe = http.client.HTTPConnection(host, int(port))
    while True:
        probe.request("GET", "/metrics")
        if b"gtenp_batch_texts_count 0.0" not in probe.getresponse().read():
            break
    process.send_signal(signal.SIGTERM)
    time.sleep(0.2)
    probe.request("GET", "/readyz")
    assert probe.getresponse().status == 503
    probe.close()
    asking.join(60)
    assert process.wait(20) == 0
    status, reply = replies[0]
    assert status == 200
    assert len(reply["data"]) == 2048


def test_an_answer_does_not_wait_for_an_acknowledgement():
    from gtenp.serve.sockets import listen

    with listen("127.0.0.1", 0, None) as listener:
        client = socket.create_connection(listener.getsockname())
        accepted, _ = listener.accept()
        assert accepted.proto == socket.IPPROTO_TCP  # so that asyncio sets TCP_NODELAY
        client.close()
        accepted.close()


def test_it_listens_at_a_socket_in_the_file_system(gtenp_serve, folder, tmp_path):
    place = tmp_path / "gtenp.sock"
    for _ in range(2):  # a socket that a killed server left is no hindrance
        process = gtenp_serve("--model", folder, "--uds", place)
        assert process.url == f"unix:{place}"
        assert ask_socket(place) == 200
        process.kill()
        process.wait(10)
        assert place.exists()
    process = gtenp_serve("--model", folder, "--uds", place)
    assert ask_socket(place) == 200
    second = gtenp_serve("--model", folder, "--uds", place)
    assert second.wait(20) == 2
    assert "another server listens there" in second.stderr.read()
    end(process)
    assert not place.exists()


def ask_socket(place):
    connection = http.client.HTTPConnection("localhost", timeout=20)
    for _ in range(200):
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(str(place))
        connection.request("POST", "/v1/embeddings", json.dumps(BODY))
        status = connection.getresponse().status
        connection.close()
        if status != 503:  # loading
            return status
        time.sleep(0.05)
    return status


def test_nothing_else_at_the_sockets_place_is_removed(folder, tmp_path):
    place = tmp_path / "notes.txt"
    place.write_text("mine")
    done = gtenp_process("serve", "--model", str(folder), "--uds", str(place))
    assert done.returncode == 2
    assert "is there and no socket" in done.stderr
    assert place.read_text() == "mine"


def test_a_path_too_long_for_a_socket_is_one_sentence(tmp_path):
    place = str(tmp_path / ("a" * 120))
    result = run("serve", "--model", str(tmp_path), "--uds", place)
    assert result.exit_code == 2
    assert f"{place}: AF_UNIX path too long; wanted" in result.stderr


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="Linux tells it")
def test_workers_share_the_weights(gtenp_serve, minilm):
    """A worker's share of all memory is far less than the weights, which each of them uses."""
    process = gtenp_serve("--model", minilm, "--workers", 2)
    for _ in range(20):
        assert embed(process.url)[0] == 200
    workers = children(process.pid)
    assert len(workers) == 2
    for pid in workers:
        own = rollup(pid, "Private_Clean") + rollup(pid, "Private_Dirty")
        assert rollup(pid, "Rss") > 80  # of 91 MB of weights those that were used, and Python
        assert own < 45
        assert rollup(pid, "Pss") < 75
    end(process)


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += map(int, (task / "children").read_text().split())
    return found


def rollup(pid, name):
    """In MB."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return int(re.search(rf"^{name}:\s+(\d+) kB", text, re.MULTILINE)[1]) / 1000


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the workers")
def test_a_worker_that_is_killed_is_replaced_and_no_other_request_fails(gtenp_serve, folder):
    process = gtenp_serve("--model", folder, "--workers", 2)
    time.sleep(1)
    killed = children(process.pid)[0]
    os.kill(killed, signal.SIGKILL)
    failed = 0
    for _ in range(100):
        try:
            assert embed(process.url)[0] == 200
        except OSError:  # it was the killed one's
            failed += 1
        time.sleep(0.005)
    assert failed <= 1
    for _ in range(100):
        if len(children(process.pid)) == 2:
            break
        time.sleep(0.05)
    assert killed not in children(process.pid)
    assert len(children(process.pid)) == 2
    end(process)
    assert f"worker {killed} ended (signal 9); another begins" in process.stderr.read()


@pytest.mark.skipif(sys.platform != "linux", reason="/proc tells the workers")
def test_workers_end_with_the_process_that_began_them(gtenp_serve, folder):
    process = gtenp_serve("--model", folder, "--workers", 2)
    workers = children(process.pid)
    process.kill()
    process.wait(10)
    for pid in workers:
        for _ in range(100):
            if not Path(f"/proc/{pid}/cmdline").exists() or is_zombie(pid):
                break
            time.sleep(0.05)
        else:
            raise AssertionError(f"worker {pid} lives on")


def is_zombie(pid):
    return ") Z " in Path(f"/proc/{pid}/stat").read_text()


def test_the_workers_metrics_are_added_up(gtenp_serve, folder):
    process = gtenp_serve("--model", folder, "--workers", 2)
    for _ in range(20):
        assert embed(process.url)[0] == 200
    with urllib.request.urlopen(f"{process.url}/metrics", timeout=20) as reply:
        text = reply.read().decode()
    assert 'gtenp_requests_total{route="/v1/embeddings",status="200"} 20.0' in text
    assert "gtenp_texts_total 20.0" in text


def test_every_option_is_an_environment_variable_too(gtenp_serve, folder, tmp_path):
    keys = tmp_path / "keys"
    keys.write_text("from-a-file\n\n another \r\n")
    process = gtenp_serve(
        GTENP_MODEL=str(folder),
        GTENP_API_KEY="one two",
        GTENP_API_KEY_FILE=str(keys),
        GTENP_MAX_INPUTS="2",
        GTENP_AUTO_TRUNCATE="0",
        GTENP_LOG_FORMAT="json",
        GTENP_DEFAULT_PROMPT_NAME="query",
    )
    for key in ("one", "two", "from-a-file", "another"):
        assert embed(process.url, Authorization=f"Bearer {key}")[0] == 200
    assert embed(process.url, Authorization="Bearer three")[0] == 401
    body = {"input": ["a"] * 3}
    assert embed(process.url, body, apikey="one")[0] == 400
    end(process)
    lines = [json.loads(line) for line in process.stderr.read().splitlines()]
    assert [line["status"] for line in lines] == [200] * 4 + [401, 400]


def test_the_help_names_each_options_variable():
    shown = run("serve", "--help").stdout
    for option in re.findall(r"--([a-z-]+)", shown.split("Options:")[1]):
        if option != "help" and not option.startswith("no-"):
            variable = f"GTENP_{option.replace('-', '_').upper()}"
            assert variable in shown.replace("\n", "").replace(" ", ""), option


def test_a_reranker_may_be_served_beside_the_model_or_alone(gtenp_serve, folder, reranker_folder):
    body = {"query": "a", "documents": ["b"]}
    for arguments in (
        ("--model", folder, "--rerank-model", reranker_folder),
        ("--model", reranker_folder),
    ):
        process = gtenp_serve(*arguments)
        assert post(process.url, "/v2/rerank", body)[0] == 200


@pytest.mark.parametrize("workers", [1, 2])
def test_a_model_that_can_not_be_had_ends_it_with_one_sentence(tmp_path, workers):
    done = gtenp_process(
        "serve", "--port", "0", "--model", str(tmp_path), "--workers", str(workers)
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert str(tmp_path) in done.stderr


def test_a_port_that_is_taken_is_one_sentence(folder):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = gtenp_process("serve", "--model", str(folder), "--port", str(port))
    assert done.returncode == 2
    assert f"127.0.0.1:{port}: Address already in use" in done.stderr


def test_a_file_without_keys_is_refused(folder, tmp_path):
    (tmp_path / "keys").write_text("\n \n")
    result = run("serve", "--model", str(folder), "--api-key-file", str(tmp_path / "keys"))
    assert result.exit_code == 2
    assert "holds no key" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "environment", "sentence"),
    [
        (("--api-key", ""), {}, "--api-key, number 1: is no key"),
        (("--api-key", "good", "--api-key", " "), {}, "--api-key, number 2: is no key"),
        (("--api-key", "two words"), {}, "--api-key, number 1: is no key"),
        (("--api-key", "schlüssel"), {}, "--api-key, number 1: is no key"),
        ((), {"GTENP_API_KEY": ""}, "GTENP_API_KEY is set and empty"),
        ((), {"GTENP_API_KEY": " "}, "GTENP_API_KEY is set and empty"),
        ((), {"GTENP_API_KEY_FILE": ""}, "GTENP_API_KEY_FILE is set and empty"),
    ],
)
def test_what_can_be_no_key_never_opens_the_server(tmp_path, arguments, environment, sentence):
    result = run("serve", "--model", str(tmp_path), "--port", "0", *arguments, **environment)
    assert result.exit_code == 2
    assert sentence in result.stderr


@pytest.mark.parametrize("line", [b"# our keys", b"schl\xc3\xbcssel", b"\xff"])
def test_a_line_that_can_be_no_key_is_refused_and_not_shown(tmp_path, line):
    (tmp_path / "keys").write_bytes(b"good\n\n" + line + b"\n")
    keys = str(tmp_path / "keys")
    result = run("serve", "--model", str(tmp_path), "--port", "0", "--api-key-file", keys)
    assert result.exit_code == 2
    assert f"{keys}, line 3: is no key" in result.stderr
    assert "our keys" not in result.stderr


def test_while_it_loads_it_answers_503(gtenp_serve, minilm):
    process = gtenp_serve("--model", minilm, wait=False)
    statuses = set()
    for _ in range(200):
        statuses.add(embed(process.url)[0])
        if 200 in statuses:
            break
        time.sleep(0.01)
    assert statuses in ({200}, {200, 503})
    wait_until_ready(process.url)
