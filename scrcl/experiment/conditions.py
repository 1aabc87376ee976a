"""Shares of the clusters of a run in conditions: ``composition/`` and its figure."""

from __future__ import annotations

import logging
from contextlib import nullcontext
from typing import TYPE_CHECKING

from scrcl import pl
from scrcl._validate import InputError
from scrcl.clustering.composition import composition
from scrcl.results import COMPOSITION, atomic_folder, remove_folder, writable

if TYPE_CHECKING:
    from anndata import AnnData

    from scrcl.experiment.after import Part
    from scrcl.results import RunFolder

log = logging.getLogger(__name__)


def compare_conditions(
    run: RunFolder,
    adata: AnnData,
    *,
    condition_key: str | None,
    sample_key: str | None = None,
    figures: bool = True,
    part: Part = nullcontext,
) -> None:
    """Write which clusters' shares differ between conditions; what was there is taken away.

    Parameters
    ----------
    run
        Where to: ``composition/`` and ``figures/composition.png``.
    adata
        What :func:`scrcl.results.annotated` returned.
    condition_key, sample_key
        Columns of ``obs``, see `scrcl.composition`; without a condition there is nothing to write.
    figures
        Draw it, too.
    part
        Takes the name of a part and guards its making, see `scrcl.experiment.after.Attempts.part`.

    Raises
    ------
    InputError
        If the folder cannot be written and ``part`` does not guard it.
    """
    path = run.path / "figures" / "composition.png"
    with part("composition"):
        remove_composition(run)
        if condition_key is None:
            return
        try:
            found = composition(adata, condition_key=condition_key, sample_key=sample_key)
        except InputError as error:  # cells of one condition alone have a cluster
            log.warning("composition: none, %s", error)
            return
        for note in found.notes:
            log.info("composition: %s", note)
        with atomic_folder(run.path / COMPOSITION) as folder:
            found.table.to_csv(folder / "composition.csv", index=False, float_format="%.6g")
            found.samples.to_csv(folder / "samples.csv", index=False, float_format="%.6g")
            text = "".join(f"{note}\n" for note in found.notes)
            (folder / "notes.txt").write_text(text, encoding="utf-8")
        if figures:
            with writable(path):
                pl.save(pl.composition(found, title="cluster"), path)


def remove_composition(run: RunFolder) -> None:
    """Take away what an earlier comparison left."""
    remove_folder(run.path / COMPOSITION)
    (run.path / "figures" / "composition.png").unlink(missing_ok=True)
