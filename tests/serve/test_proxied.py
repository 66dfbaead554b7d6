"""``gtenp serve`` as docs/serve.md sets it up: behind nginx, and as systemd's unit."""

import json
import re
import shutil
import socket
import subprocess
import urllib.error
import urllib.request

import pytest
from places import ROOT
from served import post, wait_until_ready

PAGE = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
NGINX = shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin")
AROUND = """daemon off;
user root;
pid {folder}/nginx.pid;
error_log stderr;
events {{}}
http {{
    access_log off;
    client_body_temp_path {folder}/body;
    proxy_temp_path {folder}/proxy;
    fastcgi_temp_path {folder}/fastcgi;
    uwsgi_temp_path {folder}/uwsgi;
    scgi_temp_path {folder}/scgi;
    {of_the_page}
}}
"""


def block(language):
    (found,) = re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)
    return found


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


@pytest.fixture
def proxied(gtenp_serve, folder, tmp_path):
    """The address of an nginx, but for TLS configured as the page has it, and the server."""
    if NGINX is None:
        pytest.skip("no nginx")
    path, port = tmp_path / "gtenp.sock", free_port()
    server = gtenp_serve("--model", folder, "--uds", path, "--log-format", "json")
    of_the_page = (
        block("nginx")
        .replace("/run/gtenp/gtenp.sock", str(path))
        .replace("443 ssl", f"127.0.0.1:{port}")
    )
    configuration = tmp_path / "nginx.conf"
    configuration.write_text(AROUND.format(folder=tmp_path, of_the_page=of_the_page))
    proxy = subprocess.Popen([NGINX, "-p", tmp_path, "-c", configuration, "-e", "stderr"])
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(url)
        yield url, server
    finally:
        proxy.terminate()
        proxy.wait(20)


def test_requests_go_through_nginx_and_keep_its_id(proxied):
    url, server = proxied
    status, reply = post(url, "/v1/embeddings", {"input": ["hello", "world"]})
    assert status == 200
    assert len(reply["data"]) == 2
    server.terminate()
    lines = [json.loads(line) for line in server.communicate(timeout=20)[1].splitlines()]
    ids = [line["id"] for line in lines if line["route"] == "/v1/embeddings"]
    assert re.fullmatch(r"[0-9a-f]{32}", *ids)  # nginx's form; ours is another


def test_a_large_body_goes_through_nginx_and_the_metrics_do_not(proxied):
    url, _ = proxied
    texts = ["river " * 1000] * 2048  # 12 MB
    assert post(url, "/v1/embeddings", {"input": texts})[0] == 200
    with pytest.raises(urllib.error.HTTPError, match="403"):
        urllib.request.urlopen(f"{url}/metrics", timeout=20)


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd")
def test_systemd_takes_the_unit(tmp_path):
    unit = tmp_path / "gtenp.service"
    unit.write_text(block("ini").replace("/opt/gtenp/bin/gtenp", shutil.which("true")))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", unit], capture_output=True, text=True, timeout=60
    )
    assert (done.returncode, done.stderr) == (0, "")
