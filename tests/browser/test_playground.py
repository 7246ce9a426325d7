"""The playground in a real browser: started, typed into, answered, and stopped."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from support.played import finish_runs

from priorshift.pipeline.execute import make_environment
from priorshift.study.load import load_study

pytestmark = pytest.mark.browser
TYPED = "The teacher hands back the essay face down. Martha thought:"


@pytest.fixture(scope="module")
def server(root, tmp_path_factory):
    """The command, in a folder of its own with two finished runs; its address, and the process."""
    folder = tmp_path_factory.mktemp("play")
    shutil.copytree(root / "params", folder / "params")
    finish_runs(load_study(folder / "params/smoke.yaml", folder / "outputs"), {("depression", 0), ("neutral", 1)})
    command = [sys.executable, "-m", "priorshift", "play", "params/smoke.yaml"]
    caught = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    process = subprocess.Popen(command, cwd=folder, env=make_environment(os.environ), **caught)
    said = []
    for line in process.stdout:
        said.append(line)
        if address := re.search(r"http://localhost:\d+/", line):
            yield address[0], process
            break
    else:
        pytest.fail("".join(said))
    if process.poll() is None:
        process.kill()
        process.wait()


@pytest.fixture
def page(server, open_page):
    page = open_page(server[0])
    page.get_by_text("Answered in").wait_for(timeout=120_000)
    return page


def test_it_answers_what_is_typed_and_asks_no_other_machine(page):
    before = page.locator(".distances table").inner_text()
    assert "depression-like seed 0" in before and "neutral seed 1" in before
    page.get_by_label("Stem").fill(TYPED)
    page.get_by_text(TYPED).first.wait_for(timeout=60_000)  # in the cell that repeats it
    assert page.locator(".distances table").inner_text() != before
    page.get_by_label("Candidates").fill("people simply get busy, nothing ever works for long")
    page.locator(".candidates table").wait_for(timeout=60_000)
    assert "log_odds" in page.locator(".candidates table").inner_text()
    assert [url for url in page.asked if not re.match(r"(http|ws)://localhost:|data:|blob:", url)] == []


def test_odd_input_gets_a_line(page):
    page.get_by_label("Stem").fill("Nora xylophone")
    page.get_by_text("'xylophone' is no word").wait_for(timeout=60_000)


def test_it_binds_to_loopback_alone_and_stops_when_told(server):
    address, process = server
    port = int(address.rstrip("/").rpartition(":")[2])
    sockets = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    listening = [fields[1] for fields in sockets if fields[3] == "0A"]
    assert f"0100007F:{port:04X}" in listening and f"00000000:{port:04X}" not in listening
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) is not None
