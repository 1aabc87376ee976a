"""What the columns of a matrix are: genes, or what was measured beside them."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np

from scrcl._text import counted
from scrcl._validate import InputError

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

GENES, ALL = "genes", "all"
"""What `choose_features` takes beside the names of types."""

# Columns of var that say what a feature is, in small letters, letters alone.
_COLUMNS = (
    "featuretypes", "featuretype", "modality", "featureclass", "probetype", "codeclass",
    "featurebiotype", "assay",
)  # fmt: skip
# What they say, in small letters, letters alone; all else is a gene.
_TYPES = {
    "antibodies": (
        "antibodycapture", "antibody", "antibodies", "antibodyderivedtags", "adt", "protein",
        "proteins", "proteinexpression", "prot", "surfaceprotein", "antigencapture", "ab", "cite",
    ),
    "hashtags": (
        "multiplexingcapture", "cellmultiplexing", "hashtag", "hashtags", "hashtagoligo", "hto",
        "cmo", "hashing", "sampletag",
    ),
    "guides": (
        "crisprguidecapture", "crisprguide", "guide", "guides", "guidecapture", "grna", "sgrna",
        "crispr",
    ),
    "peaks": ("peaks", "peak", "atac", "chromatinaccessibility", "chromatin"),
    "control probes": (
        "negativecontrolprobe", "negativecontrolcodeword", "negativecontrol", "negativeprobe",
        "negative", "systemcontrol", "unassignedcodeword", "deprecatedcodeword", "blankcodeword",
        "blank", "genomiccontrol", "control", "controlprobe", "controlcodeword", "housekeepingcontrol",
    ),
    "spike-ins": ("spikein", "spikeins", "ercc"),
    "custom features": ("custom",),
}  # fmt: skip
# What such columns call genes.
_GENE_WORDS = {
    "geneexpression", "gene", "genes", "rna", "mrna", "gex", "expression", "transcript", "endogenous",
}  # fmt: skip
# Names that no gene has.
_NAMES = {
    "antibodies": (
        r"totalseq|^adt[-_.:]|[-_.]adt$|^anti[-_. ]|^ab[-_]|pabo$|\|ah[sm]\d{4}|[-_]ah[sm]\d{4}"
        r"|^prot(ein)?[-_.:]|[-_]prot(ein)?$|^isotype|[-_ ]isotype|^cite[-_]"
    ),
    "hashtags": (
        r"^hto([-_. ]|\d|$)|[-_]hto$|^hash(tag)?[-_. ]?\w*\d|^cmo\d{3}$|^multiseq|^sampletag\d"
    ),
    # sgTP53-1 is a guide, the gene sgk1 of a fish is none.
    "guides": (
        r"(?i:sgrna|^grna|[-_.]grna|^non-?_?targeting|^safe-?_?targeting)|^sg[A-Z0-9]{2,}[-_.]\d+$"
    ),
    "peaks": (
        r"^chr[\w.]{1,25}[:_-]\d+[_-]\d+$|^(gl|ki)\d{6}\.?\d?[:_-]\d+[_-]\d+$"
        r"|^([12]?\d|x|y|mt?):\d+-\d+$"
    ),
    "control probes": (
        r"^negprb|^negprobe|^neg[-_ ]?control|^negative|^neg[-_]?ctrl|^systemcontrol|^blank([-_. ]|\d|$)"
        r"|^antisense[-_]|^unassigned[-_]?codeword|^deprecated[-_]?codeword|^intergenic[-_]region"
        r"|^falsecode|^control[-_]?(probe|codeword)|^false[-_]?positive"
    ),
    "spike-ins": r"^ercc[-_.]?0\d{4}|^sirv\d|^spike[-_]?in|^gspikein",
    "counters": r"^__(no_feature|ambiguous|too_low_aqual|not_aligned|alignment_not_unique)$"
    r"|^n_(unmapped|multimapping|nofeature|ambiguous)$",
}
_MAX_LOOKED = 2_000  # rows of a column of which the words are looked at
_PATTERNS = {
    kind: re.compile(pattern, 0 if kind == "guides" else re.IGNORECASE)
    for kind, pattern in _NAMES.items()
}


def feature_types(var: pd.DataFrame, names: pd.Index | None = None) -> NDArray[np.object_]:
    """Tell what each feature is, (n_vars,): ``"genes"``, ``"antibodies"``, ``"hashtags"``, ...

    A column of ``var`` that says so is believed; what it calls genes, or all where there is none, are
    looked at by name: some names are those of no gene (``CD3_TotalSeqB``, ``BLANK_12``,
    ``chr1:100-200``, ``ERCC-00002``).

    Parameters
    ----------
    var
        Features.
    names
        Their names, if these are not the index.
    """
    types = np.full(len(var), GENES, dtype=object)
    for column in _type_columns(var):
        said = np.array([_said(value) for value in var[column]], dtype=object)
        types = np.where(types == GENES, said, types)
    text = [str(name) for name in (var.index if names is None else names)]
    for kind, pattern in _PATTERNS.items():
        hits = np.array([pattern.search(name) is not None for name in text], dtype=bool)
        types[hits & (types == GENES)] = kind
    return types


def choose_features(
    var: pd.DataFrame, features: str, notes: list[str], names: pd.Index | None = None
) -> NDArray[np.bool_]:
    """Find the features that take part, (n_vars,), and say what is left out.

    Parameters
    ----------
    var
        Features.
    features
        ``"genes"``, ``"all"``, or the name of a type: as `feature_types` has it, or as the data have
        it (``"Antibody Capture"``). Several, joined by ``+``, are taken together.
    notes
        What was left out is appended.
    names
        As in `feature_types`.

    Raises
    ------
    InputError
        If there is no such feature.
    """
    if features == ALL:
        return np.ones(len(var), dtype=bool)
    types = feature_types(var, names)
    wanted = [part.strip() for part in features.split("+") if part.strip()]
    taken = np.isin(types, [part.lower() for part in wanted])
    for column in _type_columns(var):
        taken |= var[column].astype(str).isin(wanted).to_numpy()
    if not taken.any():
        there = _counted(types, np.ones(len(var), dtype=bool))
        other = next(iter(Counter(types[types != GENES]).most_common(1)), (ALL, 0))[0]
        msg = (
            f"features: got {there}, wanted {' or '.join(wanted)}. To cluster by what is there: "
            f"--features {str(other)!r} (data.features); or give the data with the genes."
        )
        raise InputError(msg)
    if not taken.all():
        notes.append(
            f"features: {_counted(types, taken)} used, {_counted(types, ~taken)} left out "
            "(--features, data.features)"
        )
    return taken


def _type_columns(var: pd.DataFrame) -> list[Any]:
    found: dict[str, Any] = {}
    for name in var:
        letters = "".join(c for c in str(name).lower() if c.isalpha())
        if letters in _COLUMNS:
            found.setdefault(letters, name)
    named = [found[letters] for letters in _COLUMNS if letters in found]
    return named or [name for name in var if _tells_types(var[name])]


def _tells_types(column: pd.Series) -> bool:
    """Tell whether a column of any name says nothing but what features are: genes for the most part."""
    words = column.dropna().astype(str).str.lower().str.replace(r"[^a-z]", "", regex=True)
    found = set(words.iloc[:: max(1, len(words) // _MAX_LOOKED)])
    others = {word for names in _TYPES.values() for word in names}
    if not (found & others and found & _GENE_WORDS and found <= others | _GENE_WORDS):
        return False
    return bool(words.isin(_GENE_WORDS).mean() > 0.5)


def _said(value: Any) -> str:
    letters = "".join(c for c in str(value).lower() if c.isalpha())
    return next((kind for kind, names in _TYPES.items() if letters in names), GENES)


def _counted(types: NDArray[np.object_], shown: NDArray[np.bool_]) -> str:
    counts = Counter(types[shown]).most_common()
    return ", ".join(counted(number, kind) for kind, number in counts)
