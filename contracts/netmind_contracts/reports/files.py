"""Write report files. Whether that is possible is checked before a run, since a run may cost money."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


def problem_of(files: Mapping[str, Path | None]) -> str:
    """Return why one of these files cannot be written, as a sentence; empty if all can.

    Args:
        files: The files, by the option that names them. None if the option is not used.
    """
    used: dict[Path, str] = {}
    for option, file in files.items():
        if file is None:
            continue
        if problem := _problem(file):
            return f"{option}: {file}: cannot be written: {problem}"
        if other := used.get(file.resolve()):
            return f"{option}: {file}: expected another file than that of {other}"
        used[file.resolve()] = option
    return ""


def _problem(file: Path) -> str:
    """Return why a file cannot be written. Its content is kept, and it is not created."""
    if file.is_dir():
        return "it is a folder"
    if not file.parent.is_dir():
        return f"the folder {file.parent} does not exist"
    is_new = not file.exists()
    if not is_new and not file.is_file():
        return ""  # a device or a pipe: opening it could wait
    try:
        file.open("ab").close()
    except OSError as error:
        return str(error.strerror)
    if is_new:
        file.unlink(missing_ok=True)
    return ""
