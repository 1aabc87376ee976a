"""The clustering methods: what each needs, how it clusters, how it maps new cells, what it saves.

`Method` and `Fitted` say what a method is; `get_method` returns one by its name. A method is one
module here and one line in `scrcl.config.METHODS`. Nothing here sees labels.
"""

from scrcl.methods.base import (
    Arrays,
    ArrayShape,
    Fitted,
    Mapped,
    Method,
    NClusters,
    NewData,
    NewTissue,
    Spots,
    State,
    TrainedViews,
    TrainingData,
    get_method,
    refined_by_vote,
)

__all__ = [
    "ArrayShape",
    "Arrays",
    "Fitted",
    "Mapped",
    "Method",
    "NClusters",
    "NewData",
    "NewTissue",
    "Spots",
    "State",
    "TrainedViews",
    "TrainingData",
    "get_method",
    "refined_by_vote",
]
