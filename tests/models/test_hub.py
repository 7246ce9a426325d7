"""A hub on this machine that answers as the real one does: what is fetched, recorded, and said when it fails."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
import yaml
from support.tiny_models import make_model

COMMIT = "c0ffee0000000000000000000000000000000001"
SECRET = "hf_thisIsNoRealTokenButLooksLikeOne"
# Each name is a repository; what the hub says about it.
REFUSED = {
    "someone/absent": (401, "RepoNotFound"),
    "someone/gated": (403, "GatedRepo"),
    "someone/down": (500, None),
}


class Hub(BaseHTTPRequestHandler):
    """The three addresses that fetching a model asks for."""

    protocol_version = "HTTP/1.1"

    def log_message(self, *args):
        self.server.asked.append(self.path)

    def do_HEAD(self):
        self.answer(body=False)

    def do_GET(self):
        self.answer(body=True)

    def answer(self, body):
        parts = self.path.partition("?")[0].strip("/").split("/")
        api = parts[:2] == ["api", "models"]
        name = "/".join(parts[2:4] if api else parts[:2])
        folder = self.server.models.get(name)
        if name in REFUSED or folder is None:
            status, code = REFUSED.get(name, (401, "RepoNotFound"))
            return self.reply(status, b"{}", {"X-Error-Code": code} if code else {}, body)
        files = sorted(p for p in folder.iterdir() if p.is_file())
        if api and parts[4:5] == ["revision"] and parts[5] not in ("main", COMMIT):
            return self.reply(404, b"{}", {"X-Error-Code": "RevisionNotFound"}, body)
        if api and parts[4:5] == ["tree"]:
            tree = [{"type": "file", "path": p.name, "size": p.stat().st_size, "oid": _oid(p)} for p in files]
            return self.reply(200, json.dumps(tree).encode(), {}, body)
        if api:
            info = {"id": name, "modelId": name, "sha": COMMIT, "private": False, "tags": [], "downloads": 0,
                    "siblings": [{"rfilename": p.name} for p in files]}  # fmt: skip
            return self.reply(200, json.dumps(info).encode(), {}, body)
        file = folder / parts[4]
        if not file.exists():
            return self.reply(404, b"", {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, body)
        return self.reply(200, file.read_bytes(), {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(file)}"'}, body)

    def reply(self, status, content, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        if body:
            self.wfile.write(content)


def _oid(path):
    return hashlib.sha1(path.read_bytes()).hexdigest()


@pytest.fixture(scope="module")
def hub(tmp_path_factory, materials):
    folder = make_model("qwen2", tmp_path_factory.mktemp("hub") / "whole", materials)
    (folder / "pytorch_model.bin").write_bytes(b"never fetched")
    (folder / "own.py").write_text("raise SystemExit")
    pickle = tmp_path_factory.mktemp("hub") / "pickle"
    pickle.mkdir()
    for path in folder.iterdir():
        if path.suffix != ".safetensors":
            (pickle / path.name).write_bytes(path.read_bytes())
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.models, server.asked = {"someone/whole": folder, "someone/pickle": pickle}, []
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server
    server.shutdown()


LOAD = """
import json, sys
from priorshift.errors import UserError
from priorshift.models.files import hash_base_model
from priorshift.models.base import load_base
from priorshift.study.sections import BaseModelParams
params = BaseModelParams(**json.loads(sys.argv[1]))
try:
    base = load_base(params)
except UserError as problem:
    print("error:", problem)
    sys.exit(2)
print(json.dumps({"commit": base.commit, "hash": hash_base_model(params), "name": base.model.name_or_path}))
"""
# Enough for what fails before anything is loaded.
FETCH = """
import json, sys
from priorshift.errors import UserError
from priorshift.models.hub import fetch_snapshot
from priorshift.study.sections import BaseModelParams
try:
    print(fetch_snapshot(BaseModelParams(**json.loads(sys.argv[1]))))
except UserError as problem:
    print("error:", problem)
    sys.exit(2)
"""
NO_SOCKETS = """
import socket
def refuse(*args, **kwargs):
    raise SystemExit("a socket was opened")
socket.socket.connect = socket.socket.connect_ex = socket.getaddrinfo = socket.create_connection = refuse
"""
SMALL_FILES = "import resource; resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))\n"


@pytest.fixture
def load(hub, tmp_path):
    """Load a model in a process of its own, with a cache of its own; returns (status, what was printed)."""

    def call(before="", code=LOAD, **keys):
        endpoint = f"http://127.0.0.1:{hub.server_address[1]}"
        variables = {"HF_ENDPOINT": endpoint, "HF_HOME": str(tmp_path / "cache"), "HF_TOKEN": SECRET,
                     "HF_HUB_DISABLE_XET": "1", **keys.pop("variables", {})}  # fmt: skip
        done = subprocess.run(
            [sys.executable, "-c", before + code, json.dumps({"name": "m", **keys})],
            capture_output=True, text=True, env=os.environ | variables,
        )  # fmt: skip
        assert SECRET not in done.stdout + done.stderr
        return done.returncode, done.stdout.strip() or done.stderr[-2000:]

    return call


def test_commit_is_recorded_and_offline_tries_no_network(load, hub, tmp_path):
    status, printed = load(source="someone/whole")
    assert status == 0, printed
    assert json.loads(printed) == {"commit": COMMIT, "hash": COMMIT, "name": "someone/whole"}
    fetched = {path.name for path in (tmp_path / "cache").rglob("snapshots/*/*")}
    assert "model.safetensors" in fetched and not {"pytorch_model.bin", "own.py"} & fetched
    # A model that is in the cache is loaded as it is: nobody is asked whether it has changed.
    hub.asked.clear()
    assert load(source="someone/whole", before=NO_SOCKETS, variables={"HF_HUB_OFFLINE": "1"}) == (status, printed)
    assert load(source="someone/whole") == (status, printed)
    assert [path for path in hub.asked if "someone" in path] == []
    status, printed = load(source="someone/else", before=NO_SOCKETS, variables={"HF_HUB_OFFLINE": "1"})
    assert status == 2 and "HF_HUB_OFFLINE is set" in printed and printed.count("\n") == 0, printed


SAID = {
    "wrong id": ({"source": "someone/absent"}, "no such model, or a private one"),
    "gated": ({"source": "someone/gated"}, "it is gated"),
    "hub down": ({"source": "someone/down"}, "the hub"),
    "no hub id": ({"source": "some/where/else"}, "neither a directory that is there nor a hub id"),
    "unknown revision": ({"source": "someone/whole", "revision": "v9"}, "it has no revision 'v9'"),
    "pickle alone": ({"source": "someone/pickle", "code": LOAD}, "pickled weights are never loaded"),
    "full disk": ({"source": "someone/whole", "before": SMALL_FILES}, "cannot be stored: File too large"),
    "no hub": (
        {"source": "someone/whole", "variables": {"HF_ENDPOINT": "http://127.0.0.1:9"}}, "the hub cannot be reached",
    ),
}  # fmt: skip


@pytest.mark.parametrize("fault", SAID)
def test_what_cannot_be_fetched_is_one_line(load, fault):
    keys, said = SAID[fault]
    status, printed = load(**{"code": FETCH} | keys)
    assert status == 2, printed
    assert printed.startswith("error: base_models: m: cannot load") and printed.count("\n") == 0
    assert said in printed, printed


@pytest.mark.parametrize(("source", "said"), [("someone/absent", "no such model"), ("someone/gated", "it is gated")])
def test_make_study_asks_for_hub_models_first(hub, tmp_path, params_folder, source, said):
    """Before anything is done: in one line, with no trace of a notebook."""
    study = yaml.safe_load((params_folder / "smoke.yaml").read_text())
    study["base_models"] = [{"name": "m", "source": source}]
    (params_folder / "hub.yaml").write_text(yaml.safe_dump(study))
    variables = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, "-m", "priorshift", "check", str(params_folder / "hub.yaml")],
        capture_output=True, text=True, env=os.environ | variables,
    )  # fmt: skip
    assert done.returncode == 2 and said in done.stderr and done.stderr.count("\n") == 1, done.stderr


def test_the_check_fetches_no_weights(hub, tmp_path, params_folder):
    study = yaml.safe_load((params_folder / "smoke.yaml").read_text())
    study["base_models"] = [{"name": "m", "source": "someone/whole"}]
    (params_folder / "hub.yaml").write_text(yaml.safe_dump(study))
    variables = {"HF_ENDPOINT": f"http://127.0.0.1:{hub.server_address[1]}", "HF_HOME": str(tmp_path / "cache")}
    command = [sys.executable, "-m", "priorshift", "check", str(params_folder / "hub.yaml")]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | variables)
    assert done.returncode == 0 and "runs" in done.stdout, done.stderr
    fetched = {path.name for path in (tmp_path / "cache").rglob("snapshots/*/*")}
    assert {"config.json", "tokenizer.json"} <= fetched
    assert not [name for name in fetched if name.endswith((".safetensors", ".bin", ".py"))]
