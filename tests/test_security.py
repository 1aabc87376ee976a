"""No file, name or network can make scrcl do what its user did not ask for."""

import ast
import socket
from pathlib import Path, PurePosixPath

import anndata as ad
import pytest

import scrcl
from scrcl import InputError
from scrcl.datasets import DATASETS, find
from scrcl.fetch.sources import ORIGINS
from scrcl.results import RunFolder
from tests.running import Runner

PACKAGE = Path(scrcl.__file__).parent
FILES = sorted(PACKAGE.rglob("*.py"))
CALLS = {
    *("eval", "exec", "compile", "__import__"),
    *("os.system", "os.popen", "os.execv", "yaml.load", "yaml.unsafe_load", "yaml.full_load"),
    *("pd.read_pickle", "joblib.load", "tempfile.mktemp"),
}
MODULES = {"pickle", "cPickle", "dill", "cloudpickle", "marshal", "shelve", "joblib", "telnetlib"}


def dotted(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else "?"


def dangers(text: str) -> list[str]:
    """What in a module runs code or text that comes from outside."""
    nodes = list(ast.walk(ast.parse(text)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    return [*imports(nodes), *(what for call in calls for what in in_call(call))]


def imports(nodes: list[ast.AST]) -> list[str]:
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)]
    return [name for name in names if name.split(".")[0] in MODULES]


def in_call(call: ast.Call) -> list[str]:
    name = dotted(call.func)
    given = {word.arg: ast.unparse(word.value) for word in call.keywords}
    safe = {"shell": "False", "allow_pickle": "False", "verify": "True"}
    found = [f"{name}({word})" for word in safe if given.get(word, safe[word]) != safe[word]]
    found = [what for what in found if what != "shtab.complete(shell)"]  # the name of one
    if name == "torch.load" and given.get("weights_only") != "True":
        found.append("torch.load without weights_only")
    return found + [name] * (name in CALLS)


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_no_module_runs_what_comes_from_outside(path: Path) -> None:
    assert dangers(path.read_text("utf-8")) == []


@pytest.mark.parametrize(
    "text",
    [
        *("import pickle", "from pickle import loads", "eval(x)", "yaml.load(f)", "torch.load(f)"),
        *("run(x, shell=True)", "np.load(f, allow_pickle=True)", "get(u, verify=False)"),
    ],
)
def test_the_scan_sees_what_it_looks_for(text: str) -> None:
    assert len(dangers(text)) == 1


def test_a_whole_run_opens_no_connection(
    runner: Runner, adata_sc: ad.AnnData, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forbidden(*_: object, **__: object) -> None:
        pytest.fail("a connection was opened")

    for name in ("connect", "connect_ex", "bind", "sendto"):
        monkeypatch.setattr(socket.socket, name, forbidden, raising=False)
    monkeypatch.setattr(socket, "create_connection", forbidden)
    monkeypatch.setattr(socket, "getaddrinfo", forbidden)

    run = runner.fast("sc", adata_sc, "--n-clusters", 3)

    code, _, error = runner("degs", "--run", run, "--quiet")
    assert code == 0, error


@pytest.mark.parametrize(
    "name", ["../x", "/etc/passwd", "..", "a/../../b", ".hidden", "", "a.part"]
)
def test_no_name_leads_out_of_a_folder(name: str, tmp_path: Path) -> None:
    with pytest.raises(InputError):
        find(name)
    for address in ({"dataset": name, "name": "run"}, {"dataset": "data", "name": name}):
        with pytest.raises(InputError, match="wanted one that can name a folder"):
            RunFolder.at(tmp_path, task="sc", **address)


def test_registered_sets_stay_in_the_data_folder() -> None:
    for spec in DATASETS.values():
        path = PurePosixPath(spec.path or "inside")
        assert not path.is_absolute()
        assert ".." not in path.parts


def test_every_download_is_over_tls() -> None:
    urls = [url for origin in ORIGINS.values() for file in origin.files for url in file.urls]
    assert urls
    assert [url for url in urls if not url.startswith("https://")] == []
