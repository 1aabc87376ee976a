"""The console script: the same as the three scripts, and the tools around them."""

import shutil
import subprocess
import sys

import anndata as ad
import pytest

from scrcl.cli import main
from scrcl.cli.arguments import degs_parser, run_parser
from scrcl.cli.program import COMMANDS
from scrcl.datasets import DATASETS
from tests.running import Runner, tree


def told(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(arguments) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize(
    ("command", "parser"),
    [
        ("run", run_parser("sc")),
        ("spatial", run_parser("st")),
        ("degs", degs_parser()),
    ],
)
def test_a_command_has_the_flags_of_its_script(command, parser, capsys):
    def flags(text: str) -> set[str]:
        return {word.strip("[],") for word in text.split() if word.strip("[").startswith("-")}

    with pytest.raises(SystemExit):
        main([command, "--help"])
    assert flags(capsys.readouterr().out) | {"--version"} == flags(parser.format_help())


def test_a_command_gives_what_its_script_gives(runner: Runner, adata_sc: ad.AnnData):
    script = runner.fast("sc", adata_sc)
    out = runner.folder / "again"
    given = ["--config", runner.config, "--quiet", "--device", "cpu", "--out", out]
    assert main(["run", *map(str, ["--input", runner.folder / "cells.h5ad", *given])]) == 0
    again = out / "SC" / "cells" / "fast"
    name = "seed_0/clusters.csv"
    assert tree(again)[name] == tree(script)[name]
    assert main(["degs", "--out", str(out), "--quiet"]) == 0
    assert (again / "degs" / "seed_0_scrcl_wilcoxon" / "markers.csv").is_file()


def test_report_writes_the_page_of_a_run_anew(runner: Runner, adata_sc: ad.AnnData, capsys):
    run = runner.fast("sc", adata_sc)
    page = run / "report.html"
    page.unlink(missing_ok=True)
    assert told(capsys, "report", "--out", str(runner.out)).strip() == str(page)
    assert "<title>" in page.read_text(encoding="utf-8")


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_helps(name, capsys):
    with pytest.raises(SystemExit) as stop:
        main([name, "--help"])
    assert stop.value.code == 0
    assert capsys.readouterr().out.startswith(f"usage: scrcl {name}")


@pytest.mark.parametrize("arguments", [[], ["cluster"], ["run", "--frob"]])
def test_a_fault_is_one_line_and_exit_code_2(arguments, capsys):
    assert main(arguments) == 2
    out, error = capsys.readouterr()
    assert out == ""
    assert error.startswith("error: ")
    assert error.count("\n") == 1


def test_the_module_runs_like_the_script(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "scrcl", "--version"], capture_output=True, text=True, check=True
    )
    assert done.stdout.startswith("scrcl 0.")


def test_a_reader_that_has_seen_enough_is_no_fault():
    code = f"set -o pipefail; {sys.executable} -m scrcl list | true"
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_the_list_shows_sets_and_runs(tmp_path, capsys, runner: Runner, adata_sc: ad.AnnData):
    assert "no runs in" in told(capsys, "list", "--out", str(tmp_path / "empty"))
    run = runner.fast("sc", adata_sc)
    lines = told(capsys, "list", "--out", str(runner.out)).splitlines()
    assert lines[1].split()[0] == next(iter(DATASETS))
    assert lines[-1].split() == ["cells", "sc", "fast", "0", "yes", str(run)]


# ---------------------------------------------------------------- completion


def complete(script: str, line: str) -> list[str]:
    """What bash offers for a line that is being typed."""
    words = line.split(" ")
    code = (
        f"{script}\nCOMP_WORDS=({' '.join(w or chr(39) * 2 for w in words)})\n"
        f"COMP_CWORD={len(words) - 1}\n_shtab_scrcl\n"
        'printf "%s\\n" "${COMPREPLY[@]}"\n'
    )
    done = subprocess.run(["bash", "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
def test_bash_completes_commands_flags_and_names(capsys):
    script = told(capsys, "completion", "bash")
    assert complete(script, "scrcl con") == ["convert"]
    assert complete(script, "scrcl run --over") == ["--overwrite"]
    assert complete(script, "scrcl fetch Bar") == ["Baron_human"]
    assert complete(script, "scrcl spatial --dataset 15167") == [
        name for name in DATASETS if name.startswith("15167")
    ]
    assert complete(script, "scrcl degs --method w") == ["wilcoxon"]


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_the_script_of_a_shell_is_valid_and_names_every_command(shell, capsys):
    script = told(capsys, "completion", shell)
    assert all(name in script for name in COMMANDS)
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=script, text=True, check=True)


def test_a_shell_that_is_not_known_is_refused(capsys):
    assert main(["completion", "fish"]) == 2
    assert "invalid choice: 'fish'" in capsys.readouterr().err


def test_building_the_parser_reads_no_data():
    code = (
        "import sys; from scrcl.cli.program import program_parser; program_parser();"
        "print(sorted({'torch', 'scanpy', 'matplotlib', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
