"""Fixtures of the client suites: a server for each test file, and the list of what was refused and why."""

from pathlib import Path

import pytest

from archive_server import ArchiveServer, binary

_REFUSALS: list[tuple[str, str, str]] = []


def pytest_collection_modifyitems(items):
    if binary() is None:
        for item in items:
            item.add_marker(pytest.mark.skip(reason="PACS_BIN does not name a server binary"))


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A server that the tests of one file share; it must live through all of them and stop when told."""
    running = ArchiveServer(tmp_path_factory.mktemp("archive")).start()
    yield running
    alive = running.alive()
    log = running.log()
    code = running.stop()
    assert alive, f"the server died under test:\n{log}"
    assert code == 0, f"SIGTERM ended in {code}:\n{running.log()}"


@pytest.fixture
def fresh_server(tmp_path: Path):
    """A server for one test."""
    running = ArchiveServer(tmp_path / "archive").start()
    yield running
    running.stop()


@pytest.fixture
def refused():
    """Call it with (client, name, reason) for each refusal: all are listed at the end of the run."""

    def note(client: str, name: str, reason: str):
        _REFUSALS.append((client, name, reason))

    return note


def pytest_terminal_summary(terminalreporter):
    if _REFUSALS:
        terminalreporter.section(f"refused, with reason ({len(_REFUSALS)})")
        for client, name, reason in sorted(_REFUSALS):
            terminalreporter.write_line(f"{client:<12} {name:<70} {reason}")
