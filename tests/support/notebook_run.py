"""Runs a notebook of the project in a kernel of its own, and tells what its cells put out."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # of the Jupyter packages, when they are imported
    import jupytext
    import nbformat
    from nbclient import NotebookClient

__all__ = ["executed", "kept", "made", "told"]

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def made(name: str) -> Any:
    """Return the notebook that the percent file makes."""
    return jupytext.read(NOTEBOOKS / f"{name}.py")


def kept(name: str) -> Any:
    """Return the notebook that stands beside the percent file."""
    return nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)


def executed(name: str) -> Any:
    """Return the notebook after a run, with this process's environment."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the Jupyter packages
        notebook = made(name)
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return notebook


def told(notebook: Any) -> dict[str, list[str]]:
    """Return what each code cell that puts something out said, under the heading it stands below, in order."""
    heading = ""
    outputs: dict[str, list[str]] = {}
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            lines = [line for line in cell.source.splitlines() if line.startswith("#")]
            heading = lines[-1].lstrip("# ") if lines else heading
        elif said := "".join(map(_text, cell.outputs)):
            outputs.setdefault(heading, []).append(said)
    return outputs


def _text(output: Any) -> str:
    return output["text"] if output["output_type"] == "stream" else output["data"]["text/plain"]
