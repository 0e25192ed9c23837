"""The students' work compared with each other: gathered while a class is written, and kept with the results."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grader import alike, notebook
from grader.model import GraderError, Notebook, from_json, to_json

if TYPE_CHECKING:
    from grader.model import Evidence, Grade
    from grader.store import Store

_NOTE = "alike"


class Works:
    """Takes one student after the other, and keeps in the results what is alike."""

    def __init__(self, store: Store) -> None:
        self._store = store
        base = _base(store)
        self._cells = frozenset(cell.source for cell in base.cells)
        texts = {
            kind: "\n\n".join(cell.source for cell in base.cells if cell.kind == kind) for kind in ("markdown", "code")
        }
        assignment = store.note("assignment") or ""
        self._known = {
            "report": f"{assignment}\n{texts['markdown']}",
            "prose": texts["markdown"],
            "code": texts["code"],
        }
        self._works: list[alike.Work] = []

    def add(self, grade: Grade, evidence: Evidence) -> None:
        """Take the work of one student."""
        self._works.append(alike.work(grade, evidence, self._cells))

    def keep(self) -> None:
        """Compare all of it, and keep what was found."""
        found = alike.alike(self._works, self._known)
        self._store.set_note(_NOTE, to_json(found).decode())


def kept(store: Store) -> alike.Alike:
    """What was found when the class was last compared."""
    told = store.note(_NOTE)
    return from_json(told, alike.Alike) if told else alike.Alike()


def _base(store: Store) -> Notebook:
    try:
        return notebook.parse(store.note("base") or "")
    except GraderError:
        return Notebook()
