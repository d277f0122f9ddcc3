"""A server of files that stands for the place of the releases."""

import os
import subprocess
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PROGRAM = Path(os.environ["PROGRAM"])
TARGET = "x86_64-unknown-linux-musl"


@pytest.fixture(scope="session")
def archive(tmp_path_factory):
    """The program as it is downloaded."""
    folder = tmp_path_factory.mktemp("archive")
    subprocess.run([ROOT / "release/archive", PROGRAM, TARGET, folder], check=True)
    return folder / f"tunebench-{TARGET}.tar.gz"


class Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_):
        pass


@pytest.fixture
def server(tmp_path):
    folder = tmp_path / "server"
    folder.mkdir()
    served = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder))
    threading.Thread(target=served.serve_forever, daemon=True).start()
    yield folder, f"http://127.0.0.1:{served.server_port}"
    served.shutdown()
    served.server_close()
