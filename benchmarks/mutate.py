"""Damaged and hostile files into everything that reads one: it is read, or refused in one line.

    python -m benchmarks.mutate --inputs 10000

Starts from files that are in order (configurations, lists of markers, genes and names, a model, an .h5ad),
changes bytes, lines and values at random or puts hostile content in their place, and hands them to their
readers. Anything but a value or an `InputError` of one line is a fault, and so is a reader that takes more
than a minute. What each kind of input led to is printed; the exit code is 1 if there was a fault.
"""

from __future__ import annotations

import argparse
import json
import logging
import shutil
import sys
import tempfile
import time
import warnings
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import h5py
import numpy as np

import scrcl
from scrcl import InputError
from scrcl.checkpoint import Checkpoint
from scrcl.config import config_from_text, load_config, override, paper_defaults, to_yaml
from scrcl.config.files import configs_dir
from scrcl.datasets import simulated_cells
from scrcl.markers import read_marker_lists
from scrcl.report import read_gene_list

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

SECONDS = 60.0
HOSTILE = (
    b"!!python/object/apply:os.system ['touch hacked']",
    b"train: !!python/name:os.system",
    b"data: !!binary gICAgA==",
    b"data: !!timestamp 2001-99-99",
    b"train: {lr: !!float nonsense}",
    b"train: {n_epochs: !!int ''}",
    b"train: {n_epochs: 1" + b"0" * 6000 + b"}",
    b"train: {lr: 1e999}",
    b"train: {lr: .nan}",
    b"train: {lr: 9" + b"9" * 400 + b"}",
    b"a: &a [x,x]\nb: &b [*a,*a]\nc: [*b,*b]",
    b"a: &a [x]\n"
    + b"".join(b"%c: &%c [*%c,*%c,*%c,*%c]\n" % ((98 + i,) * 2 + (97 + i,) * 4) for i in range(24)),
    b"a: &a\n  b: *a",
    b"train:\n  <<: {lr: 1}",
    b"[" * 5000,
    b"{" * 5000,
    b"a: " * 3000,
    b"? [a, b]\n: c",
    b"? {a: b}\n: c",
    b"1: 2",
    b"null: 3",
    b"- a\n- b",
    b"%YAML 9.9\n---\n",
    b"---\na: 1\n---\nb: 2",
    b"train: {lr: [1, [2, [3]]]}",
    b"data: {n_smooth: [1]}",
    b"data: {n_smooth: [true, 1]}",
    b"\xff\xfe\x00",
    b"\xef\xbb\xbftrain: {lr: 0.1}",
    b"\x00" * 100,
    b"train: {lr: 0x1F}",
    b"train: {n_epochs: 1:30:00}",
    b"task: [sc]",
    b"task: {sc: 1}",
    b"cluster: {method: [kmeans]}",
    b"cluster: {granularity: {}}",
    b"cluster: {granularity: 1" + b"0" * 400 + b"}",
    b"model: {dropout: -0.0}",
    b'T cells,CD3D\n"unclosed,',
    b"a,b,c\n1,2,3,4,5,6",
    b"name\tgene\nx\t\n\t\n",
    b"set\tdesc" + b"\tG" * 20_000,
)
TOKENS = (
    b"null",
    b"true",
    b"-1",
    b"0",
    b"1e400",
    b"[]",
    b"{}",
    b"''",
    b"*x",
    b"&x ",
    b"!!str ",
    b"NaN",
    b"\n",
    b"\t",
    b"\r",
    b"\x00",
    b":",
    b",",
    b'"',
    b"\xff",
    b"9" * 30,
    b"- ",
    b"? ",
    b"<<: ",
)


def mutated(rng: np.random.Generator, content: bytes) -> bytes:
    """Change a few bytes, pieces or tokens, or cut the end off."""
    for _ in range(int(rng.integers(1, 5))):
        at = int(rng.integers(len(content) + 1))
        to = min(at + int(rng.integers(1, 40)), len(content))
        kind = int(rng.integers(7))
        if kind == 0:
            content = content[:at]
        elif kind == 1:
            content = (
                content[:at] + bytes(rng.integers(0, 256, to - at, dtype=np.uint8)) + content[to:]
            )
        elif kind == 2:
            content = content[:at] + content[to:]
        elif kind == 3:
            content = content[:to] + content[at:]
        elif kind == 4:
            content = content[:at] + HOSTILE[int(rng.integers(len(HOSTILE)))][:2000] + content[at:]
        else:
            content = content[:at] + TOKENS[int(rng.integers(len(TOKENS)))] + content[to:]
    return content


class Readers:
    """Files that are in order, and what reads them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        cells = simulated_cells(n_obs=60, n_types=3)[:, :30].copy()
        cells.obs["group"] = np.arange(60) % 3
        cells.obs["group"] = cells.obs["group"].astype(str).astype("category")
        cells.write_h5ad(folder / "cells.h5ad")
        model = scrcl.ScRCL(n_clusters=3, n_epochs=2, n_hidden=4, device="cpu").fit(cells)
        model.save(folder / "model")
        self.configs = [path.read_bytes() for path in sorted(configs_dir().glob("*.yaml"))]
        self.full = to_yaml(paper_defaults("sc")).encode()

    def config(self, rng: np.random.Generator) -> None:
        """Read a configuration file, and the same text as part of a model."""
        content = self._drawn(rng, [*self.configs, self.full])
        path = self.folder / "config.yaml"
        path.write_bytes(content)
        if rng.random() < 0.5:
            load_config(path, "sc" if rng.random() < 0.5 else "st")
        else:
            config_from_text(content.decode("utf-8", "replace"), "sc")

    def setting(self, rng: np.random.Generator) -> None:
        """Read a value of ``--set``."""
        keys = (
            "lr",
            "n_smooth",
            "train.n_epochs",
            "method",
            "granularity",
            "fast_step",
            "radius",
            "x",
        )
        value = self._drawn(rng, [b"0.001", b"[5, 0]", b"null", b"5,0"]).decode("utf-8", "replace")
        override(paper_defaults("sc"), {str(rng.choice(keys)): value})

    def markers(self, rng: np.random.Generator) -> None:
        """Read lists of marker genes."""
        name, content = (
            ("lists.csv", b"cell type,gene\nT,CD3D\nT,CD3E\nB,CD19\n"),
            ("lists.tsv", b"cell type\tgene\nT\tCD3D\nB\tCD19\n"),
            ("lists.gmt", b"T\tx\tCD3D\tCD3E\nB\ty\tCD19\n"),
        )[int(rng.integers(3))]
        path = self.folder / name
        path.write_bytes(self._drawn(rng, [content]))
        read_marker_lists(path)

    def genes(self, rng: np.random.Generator) -> None:
        """Read genes for the report."""
        path = self.folder / "genes.txt"
        path.write_bytes(self._drawn(rng, [b"CD3D\nCD19\n"]))
        read_gene_list(path)

    def model(self, rng: np.random.Generator) -> None:
        """Load a model one of whose files is damaged, in its text, its header or its values."""
        broken = self.folder / "broken"
        shutil.copytree(self.folder / "model", broken, dirs_exist_ok=True)
        path = broken / ("model.json" if rng.random() < 0.6 else "model.safetensors")
        content = path.read_bytes()
        if path.suffix == ".json" and rng.random() < 0.6:
            content = json.dumps(_changed(rng, json.loads(content))).encode()
        elif path.suffix != ".json" and rng.random() < 0.6:
            end = 8 + int.from_bytes(content[:8], "little")
            content = mutated(rng, content[:end]) + content[end:]
        else:
            content = self._drawn(rng, [content])
        path.write_bytes(content)
        cells = simulated_cells(n_obs=5, n_types=2)[:, :30]
        scrcl.ScRCL.load(broken).predict(cells)

    def checkpoint(self, rng: np.random.Generator) -> None:
        """Load a checkpoint that is none."""
        path = self.folder / ".seed_0.ckpt"
        path.write_bytes(
            self._drawn(rng, [(self.folder / "model" / "model.safetensors").read_bytes()])
        )
        Checkpoint(path=path).load("identity")

    def h5ad(self, rng: np.random.Generator) -> None:
        """Read a file whose bytes or content are damaged, or that declares a huge shape."""
        path = self.folder / "broken.h5ad"
        content = (self.folder / "cells.h5ad").read_bytes()
        if rng.random() < 0.5:
            path.write_bytes(self._drawn(rng, [content]))
        else:
            path.write_bytes(content)
            _change_h5ad(rng, path)
        adata = scrcl.read(path)
        scrcl.ScRCL(n_clusters=2, n_epochs=1, n_hidden=2, device="cpu").fit(adata)

    def _drawn(self, rng: np.random.Generator, contents: Sequence[bytes]) -> bytes:
        if rng.random() < 0.1:
            return HOSTILE[int(rng.integers(len(HOSTILE)))]
        return mutated(rng, contents[int(rng.integers(len(contents)))])


def _changed(rng: np.random.Generator, value: object) -> object:
    """Put something else in the place of a part of a JSON value."""
    others = (None, [], {}, "", "x", -1, 0, 1e308, True, [None], {"a": 1}, "9" * 50, 10**30, [[]])
    if isinstance(value, dict) and value and rng.random() < 0.9:
        key = list(value)[int(rng.integers(len(value)))]
        return {**value, key: _changed(rng, value[key])}
    if isinstance(value, list) and value and rng.random() < 0.7:
        at = int(rng.integers(len(value)))
        return [*value[:at], _changed(rng, value[at]), *value[at + 1 :]]
    return others[int(rng.integers(len(others)))]


def _change_h5ad(rng: np.random.Generator, path: Path) -> None:
    """Remove, replace or relabel something in the file."""
    with h5py.File(path, "r+") as file:
        names: list[str] = []
        file.visit(names.append)
        name = str(rng.choice(names))
        kind = int(rng.integers(5))
        attributes = dict(file[name].attrs)
        if kind == 0:
            del file[name]
        elif kind == 1 and attributes:
            file[name].attrs[str(rng.choice(list(attributes)))] = str(rng.choice(["x", "", "99.9"]))
        elif kind == 2 and "X/indptr" in file:
            file["X"].attrs["shape"] = np.array([2**40, 2**40])
        elif kind == 3:
            del file[name]
            file.create_dataset(name, shape=(2**34, 2**10), dtype="f4", chunks=(1024, 1024))
        else:
            del file[name]
            file[name] = np.array(rng.choice([-1.0, 1e300, np.nan], 3))


def run(readers: Readers, name: str, number: int, seed: int) -> tuple[str, str]:
    """Hand a reader an input; return what came of it, and why if it is a fault."""
    rng = np.random.default_rng([seed, number])
    reader: Callable[[np.random.Generator], None] = getattr(readers, name)
    start = time.perf_counter()
    try:
        reader(rng)
        outcome = "read"
    except InputError as error:
        if "\n" in str(error).strip():
            return "fault", f"{name} {number}: more than a line: {str(error)[:300]!r}"
        outcome = "refused"
    except MemoryError:
        outcome = "refused"
    except Exception as error:  # noqa: BLE001  (that is what is looked for)
        return "fault", f"{name} {number}: {type(error).__name__}: {str(error)[:300]!r}"
    seconds = time.perf_counter() - start
    if seconds > SECONDS:
        return "fault", f"{name} {number}: took {seconds:.0f} seconds"
    return outcome, ""


SHARES = {"config": 0.4, "setting": 0.2, "markers": 0.1, "genes": 0.05, "model": 0.15} | {
    "checkpoint": 0.05,
    "h5ad": 0.05,
}


def main(argv: Sequence[str] | None = None) -> int:
    """Try all readers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--inputs", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--readers", nargs="+", choices=list(SHARES), default=list(SHARES))
    args = parser.parse_args(argv)
    logging.disable(logging.CRITICAL)
    n_faults = 0
    with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # noqa: TID251
        readers = Readers(Path(folder))
        for name in args.readers:
            outcomes: Counter[str] = Counter()
            for number in range(int(args.inputs * SHARES[name])):
                outcome, why = run(readers, name, number, args.seed)
                outcomes[outcome] += 1
                if why:
                    print(why, flush=True)  # noqa: T201
            print(f"{name}: {dict(sorted(outcomes.items()))}", flush=True)  # noqa: T201
            n_faults += outcomes["fault"]
    return int(n_faults > 0)


if __name__ == "__main__":
    sys.exit(main())
