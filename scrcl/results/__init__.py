"""Run folders, ``results/<SC|ST>/<dataset>/<run>/``: written complete or not at all, found, read.

results/README.md has the layout.
"""

from scrcl.results.atomic import (
    atomic_folder,
    atomic_path,
    kept_on_failure,
    plain,
    remove_folder,
    writable,
    write_csv,
)
from scrcl.results.environment import describe_environment
from scrcl.results.faults import bug_line, user_line
from scrcl.results.folder import (
    COMPOSITION,
    NAMES,
    SUGGESTED,
    RunFolder,
    SeedResult,
    find_run,
    find_runs,
)
from scrcl.results.lock import check_not_written, only_writer
from scrcl.results.protocols import FOUND, GIVEN, PICKED, PROTOCOLS, PUBLISHED, TITLES, explained
from scrcl.results.storable import storable, stored_name
from scrcl.results.tables import annotated, summarize, without_expression
from scrcl.results.writer import Existing, RunWriter, check_free, writing

__all__ = [
    "COMPOSITION",
    "FOUND",
    "GIVEN",
    "NAMES",
    "PICKED",
    "PROTOCOLS",
    "PUBLISHED",
    "SUGGESTED",
    "TITLES",
    "Existing",
    "RunFolder",
    "RunWriter",
    "SeedResult",
    "annotated",
    "atomic_folder",
    "atomic_path",
    "bug_line",
    "check_free",
    "check_not_written",
    "describe_environment",
    "explained",
    "find_run",
    "find_runs",
    "kept_on_failure",
    "only_writer",
    "plain",
    "remove_folder",
    "storable",
    "stored_name",
    "summarize",
    "user_line",
    "without_expression",
    "writable",
    "write_csv",
    "writing",
]
