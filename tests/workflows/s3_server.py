"""An S3 server of the test's own: moto's, in a process that can be killed and comes back."""

import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import fsspec

ACCOUNT = {
    "AWS_ACCESS_KEY_ID": "test",
    "AWS_SECRET_ACCESS_KEY": "test",
    "AWS_DEFAULT_REGION": "us-east-1",
}
_REQUEST = re.compile(r'"(?:\x1b\[\d+m)*([A-Z]+) /')


class S3Server:
    """Keeps what was written in a recording, from which it is whole again after a kill."""

    def __init__(self, folder: Path, *, recording: bool = True) -> None:
        """`folder`: for the log and the recording, without which requests are quicker."""
        self._folder, self._recording = folder, recording
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self._port = free.getsockname()[1]
        self.url = f"http://127.0.0.1:{self._port}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        record = {
            "MOTO_ENABLE_RECORDING": str(self._recording).lower(),
            "MOTO_RECORDER_FILEPATH": str(self._folder / "requests"),
        }
        with (self._folder / "log").open("ab") as log:
            command = [sys.executable, "-m", "moto.server", "-p", str(self._port)]
            self._process = subprocess.Popen(
                command, env=os.environ | ACCOUNT | record, stdout=log, stderr=log
            )
        self._ask("moto-api/")
        if (self._folder / "requests").exists():
            self._ask("moto-api/recorder/replay-recording", method="POST")

    def kill(self) -> None:
        assert self._process
        self._process.kill()
        self._process.wait()

    def pause(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        assert self._process
        self._process.send_signal(signal.SIGCONT)

    def make_bucket(self, name: str) -> str:
        """Its URI."""
        filesystem, _ = fsspec.core.url_to_fs(f"s3://{name}")
        filesystem.mkdir(name)
        return f"s3://{name}"

    def requests(self) -> Counter[str]:
        """All that were answered since the server was first started, by method."""
        return Counter(_REQUEST.findall((self._folder / "log").read_text()))

    def _ask(self, path: str, method: str = "GET") -> None:
        deadline_s = time.monotonic() + 60
        while True:
            try:
                request = urllib.request.Request(f"{self.url}/{path}", method=method)
                urllib.request.urlopen(request).close()
                return
            except (urllib.error.URLError, ConnectionError):
                assert time.monotonic() < deadline_s, "moto's server does not answer"
                time.sleep(0.05)
