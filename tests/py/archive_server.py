"""A server of its own for a test: free ports, a temporary folder, stopped by SIGTERM.

PACS_BIN names the binary under test. Configuration goes by environment, as an operator's scripts would do it. With
TEST_DATABASE=postgres the index of each data folder is a database of a PostgreSQL server that FIXTURES_BIN runs.
"""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import requests

READY_SECONDS = 30
STOP_SECONDS = 30


def binary() -> Path | None:
    """The server binary, or None where PACS_BIN is not set."""
    name = os.environ.get("PACS_BIN")
    return Path(name).resolve() if name else None


def free_port() -> int:
    """A TCP port of 127.0.0.1 that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Postgres:
    """A PostgreSQL server that all servers of a run share; it ends with this process."""

    def __init__(self):
        self.process = subprocess.Popen(
            [os.environ["FIXTURES_BIN"], "postgres"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        self.process.stdout.readline()
        self.urls: dict[Path, str] = {}

    def database(self, folder: Path) -> str:
        """The URL of the database of a data folder."""
        if folder not in self.urls:
            self.process.stdin.write("database\n")
            self.process.stdin.flush()
            self.urls[folder] = self.process.stdout.readline().strip()
        return self.urls[folder]


postgres: Postgres | None = None


def database_settings(folder: Path) -> dict[str, str]:
    """What names the database of a data folder, where it is not the file in it."""
    global postgres
    if os.environ.get("TEST_DATABASE") != "postgres":
        return {}
    postgres = postgres or Postgres()
    return {"PACS_DATABASE__URL": postgres.database(folder)}


class ArchiveServer:
    """One running pacs-server over `folder`."""

    def __init__(self, folder: Path, **settings: str):
        self.folder = folder
        self.dimse_port = free_port()
        self.http_port = free_port()
        self.ae_title = "PACS"
        self.base = f"http://127.0.0.1:{self.http_port}"
        self.web = f"{self.base}/dicom-web"
        self.environment = {name: value for name, value in os.environ.items() if not name.startswith("PACS_")}
        self.environment |= {
            "PACS_DATA_DIR": str(folder / "data"),
            "PACS_DIMSE__LISTEN": f"127.0.0.1:{self.dimse_port}",
            "PACS_HTTP__LISTEN": f"127.0.0.1:{self.http_port}",
        }
        self.environment |= database_settings(folder / "data") | settings
        self.log_path = folder / "server.log"
        self.process: subprocess.Popen | None = None

    def start(self) -> "ArchiveServer":
        """Starts the server and waits until /readyz says 200."""
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [binary()], env=self.environment, cwd=self.folder, stdout=log, stderr=subprocess.STDOUT
            )
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the server ended with {self.process.returncode}:\n{self.log()}")
            try:
                if requests.get(f"{self.base}/readyz", timeout=2).status_code == 200:
                    return self
            except requests.ConnectionError:
                pass
            time.sleep(0.05)
        self.stop()
        raise RuntimeError(f"not ready after {READY_SECONDS} s:\n{self.log()}")

    def alive(self) -> bool:
        """True while the process runs."""
        return self.process is not None and self.process.poll() is None

    def stop(self) -> int | None:
        """SIGTERM, then the exit code; a server that does not stop is killed and that is an error."""
        if self.process is None:
            return None
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise RuntimeError(f"still running {STOP_SECONDS} s after SIGTERM:\n{self.log()}") from None

    def log(self) -> str:
        """The last lines the server wrote."""
        if not self.log_path.exists():
            return ""
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-40:])

    def command(self, *arguments: str, timeout: float = 600) -> subprocess.CompletedProcess:
        """Runs another command of the same binary with the same configuration."""
        return subprocess.run(
            [binary(), *map(str, arguments)],
            env=self.environment,
            cwd=self.folder,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
        )
