"""``labkit lab``: JupyterLab with the cluster beside it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def server(bench):
    words = [Path(subprocess.sys.executable).parent / "labkit", "lab", "--no-browser", "--port", "0"]
    process = subprocess.Popen(
        words, env=bench.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    yield process
    process.terminate()
    process.communicate(timeout=30)


def test_jupyterlab_opens_on_the_first_notebook(bench, server):
    shown = ""
    for line in server.stdout:
        shown += line
        if found := re.search(r"http://(?:localhost|127\.0\.0\.1):(\d+)/lab\S*\?token=(\w+)", line):
            break
    else:
        pytest.fail(shown)
    assert "00-prepare.ipynb" in found[0]
    port, token = found.groups()
    address = f"http://localhost:{port}/api/contents/00-prepare.ipynb?content=0&token={token}"
    # It says so just before it listens.
    answer = bench.run(
        "curl", "-s", "--retry", "10", "--retry-delay", "1", "--retry-connrefused", address
    ).stdout
    assert json.loads(answer)["type"] == "notebook"
    environment = Path(f"/proc/{server.pid}/environ").read_text()
    assert f"KUBECONFIG={bench.kubeconfig}\0" in environment
    assert bench.running
