"""Test the tests of the decisions: change one thing in the code that decides, and see whether a test notices.

Every mutant is the source with one small mistake in it, in a copy of src. Those that no test notices are
printed, and the exit code is 1. docs/explanation/mutation.md lists the ones that cannot be noticed, and why.
"""

import argparse
import ast
import copy
import os
import queue
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent
JUDGES = (("tests/decide",), ("tests/simulation/test_power_cuts.py",))
JUDGE_SECONDS = 120

type Edit = Callable[[ast.AST], None]

_COMPARISONS: dict[type[ast.cmpop], tuple[type[ast.cmpop], ...]] = {
    ast.Lt: (ast.LtE, ast.GtE),
    ast.LtE: (ast.Lt, ast.Gt),
    ast.Gt: (ast.GtE, ast.LtE),
    ast.GtE: (ast.Gt, ast.Lt),
    ast.Eq: (ast.NotEq,),
    ast.NotEq: (ast.Eq,),
    ast.Is: (ast.IsNot,),
    ast.IsNot: (ast.Is,),
    ast.In: (ast.NotIn,),
    ast.NotIn: (ast.In,),
}
_ARITHMETIC: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.BitOr: ast.BitAnd,
}
_TWINS = {"min": "max", "max": "min", "any": "all", "all": "any"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """One small mistake in one file; `place` is the number of the syntax node in the order of `ast.walk`."""

    file: Path
    text: str
    line: int
    what: str
    place: int
    edit: Edit

    def __str__(self) -> str:
        return f"{self.file.relative_to(CHECKOUT)}:{self.line}: {self.what}"

    def source(self) -> str:
        """The whole file with the mistake in it."""
        tree = ast.parse(self.text)
        self.edit(list(ast.walk(tree))[self.place])
        return ast.unparse(ast.fix_missing_locations(tree))


def planner_files() -> list[Path]:
    """The code that decides."""
    core = CHECKOUT / "src/wnm/core"
    return [*sorted((core / "decide").glob("[!_]*.py")), core / "lifecycle.py"]


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Every mutant of a file, in the order of its lines."""
    text = file.read_text()
    tree = ast.parse(text)
    spared = set(_spared(tree))
    for place, node in enumerate(ast.walk(tree)):
        if id(node) not in spared:
            for what, edit in _edits(node):
                yield Mutant(file=file, text=text, line=_line(node), what=what, place=place, edit=edit)


def _spared(tree: ast.AST) -> Iterator[int]:
    """Types, decorators and texts for people: no mistake in them changes a decision."""
    for node in ast.walk(tree):
        parts: list[ast.AST | None] = []
        match node:
            case ast.FunctionDef():
                parts = [node.returns, *node.decorator_list]
            case ast.ClassDef():
                parts = list(node.decorator_list)
            case ast.arg():
                parts = [node.annotation]
            case ast.AnnAssign():
                parts = [node.annotation]
            case ast.TypeAlias() | ast.JoinedStr() | ast.Import() | ast.ImportFrom():
                parts = [node]
            case ast.Subscript(slice=ast.Tuple()):
                parts = [node.slice]
        for part in parts:
            if part is not None:
                yield from map(id, ast.walk(part))


def _edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    """The mistakes that can be made at one place, and how to make them."""
    for edits in (_operator_edits, _constant_edits, _condition_edits, _choice_edits):
        yield from edits(node)


def _operator_edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    match node:
        case ast.Compare():
            for index, op in enumerate(node.ops):
                for other in _COMPARISONS[type(op)]:
                    yield f"{_name(op)} → {other.__name__} in {_text(node)}", _set_item("ops", index, other())
        case ast.BoolOp():
            other_op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"→ {_name(other_op)} in {_text(node)}", _set("op", other_op)
        case ast.UnaryOp(op=ast.Not()):
            yield f"without not: {_text(node)}", _set("operand", ast.UnaryOp(ast.Not(), node.operand))
        case ast.BinOp() if type(node.op) in _ARITHMETIC:
            other_sign = _ARITHMETIC[type(node.op)]()
            yield f"→ {_name(other_sign)} in {_text(node)}", _set("op", other_sign)


def _choice_edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    match node:
        case ast.Tuple(ctx=ast.Load()) if len(node.elts) > 1:
            for index, item in enumerate(node.elts):
                yield f"without {_text(item)} in {_text(node)}", _del_item("elts", index)
        case ast.Subscript(slice=ast.Slice(upper=ast.expr())):
            yield f"whole: {_text(node)}", _set("slice", ast.Slice())
        case ast.Call(func=ast.Name(id=name)):
            yield from _call_edits(node, name)


def _constant_edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    value = node.value if isinstance(node, ast.Constant) else None
    if isinstance(value, bool):
        yield f"{value} → {not value}", _set("value", not value)
    elif isinstance(value, int | float):
        yield f"{value} → {value + 1}", _set("value", value + 1)
        if value:
            yield f"{value} → {value - 1}", _set("value", value - 1)


def _condition_edits(node: ast.AST) -> Iterator[tuple[str, Edit]]:
    match node:
        case ast.If() | ast.IfExp():
            for value in (True, False):
                yield f"always {value}: if {_text(node.test)}", _set("test", ast.Constant(value))
        case ast.comprehension():
            for index, condition in enumerate(node.ifs):
                yield f"without if {_text(condition)}", _del_item("ifs", index)
        case ast.match_case(guard=ast.expr() as guard):
            yield f"without if {_text(guard)}", _set("guard", None)


def _call_edits(node: ast.Call, name: str) -> Iterator[tuple[str, Edit]]:
    if name == "sorted" and not any(each.arg == "reverse" for each in node.keywords):
        backwards = ast.keyword("reverse", ast.Constant(True))
        yield f"backwards: {_text(node)}", _set("keywords", [*node.keywords, backwards])
    elif name in _TWINS:
        yield f"→ {_TWINS[name]} in {_text(node)}", _set("func", ast.Name(_TWINS[name], ast.Load()))


def _set(field: str, value: object) -> Edit:
    def edit(node: ast.AST) -> None:
        setattr(node, field, copy.deepcopy(value))

    return edit


def _set_item(field: str, index: int, value: object) -> Edit:
    def edit(node: ast.AST) -> None:
        getattr(node, field)[index] = value

    return edit


def _del_item(field: str, index: int) -> Edit:
    def edit(node: ast.AST) -> None:
        del getattr(node, field)[index]

    return edit


def _line(node: ast.AST) -> int:
    """Comprehensions and cases have no line of their own; what they are made of does."""
    return next(line for each in ast.walk(node) if (line := getattr(each, "lineno", 0)))


def _name(node: ast.AST) -> str:
    return type(node).__name__


def _text(node: ast.AST) -> str:
    text = ast.unparse(node).split("\n")[0]
    return text if len(text) <= 70 else f"{text[:67]}..."


class Court:
    """Judges mutants on several copies of src at once, for as long as there is time."""

    def __init__(self, mutants: Sequence[Mutant], jobs: int, seconds: float) -> None:
        self.survivors: list[Mutant] = []
        self.judged = 0
        self._waiting: queue.SimpleQueue[Mutant] = queue.SimpleQueue()
        for mutant in mutants:
            self._waiting.put(mutant)
        self._jobs = jobs
        self._end = time.monotonic() + seconds
        self._lock = threading.Lock()

    def sit(self) -> None:
        """Judge until all are judged or the time is over."""
        threads = [threading.Thread(target=self._work) for _ in range(self._jobs)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _work(self) -> None:
        with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
            copy_of_checkout = Path(folder)
            _copy_checkout(copy_of_checkout)
            while time.monotonic() < self._end:
                try:
                    mutant = self._waiting.get_nowait()
                except queue.Empty:
                    return
                survived = _survives(mutant, copy_of_checkout)
                with self._lock:
                    self.judged += 1
                    if survived:
                        self.survivors.append(mutant)
                        print(f"survived: {mutant}", flush=True)


def _copy_checkout(to: Path) -> None:
    """Copy the files that the tests need, so that the checkout may be worked on meanwhile."""
    for name in ("src", "tests"):
        shutil.copytree(CHECKOUT / name, to / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copyfile(CHECKOUT / "pyproject.toml", to / "pyproject.toml")


def _survives(mutant: Mutant, checkout: Path) -> bool:
    copied = checkout / mutant.file.relative_to(CHECKOUT)
    copied.write_text(mutant.source())
    try:
        return all(_passes(judge, checkout) for judge in JUDGES)
    finally:
        copied.write_text(mutant.text)


def _passes(judge: Sequence[str], checkout: Path) -> bool:
    """Whether these tests find nothing wrong; tests that do not end find something."""
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider"]
    environment = {**os.environ, "PYTHONPATH": str(checkout / "src"), "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            [*command, *judge],
            cwd=checkout,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=JUDGE_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--all", action="store_true", help="judge every mutant instead of a sample")
    parser.add_argument("--sample", type=int, default=100, help="how many mutants to judge (100)")
    parser.add_argument("--seed", type=int, default=1, help="which sample (1)")
    parser.add_argument("--jobs", type=int, default=2, help="how many to judge at once (2)")
    parser.add_argument("--seconds", type=float, default=600, help="stop beginning new ones after this (600)")
    parser.add_argument("--only", default="", help="only files whose path contains this")
    return parser.parse_args()


def main() -> int:
    """Judge, print the survivors, and return 1 if there are any, 2 if the judges do not pass at all."""
    arguments = _arguments()
    files = [file for file in planner_files() if arguments.only in str(file.relative_to(CHECKOUT))]
    mutants = [mutant for file in files for mutant in mutants_of(file)]
    known = len(mutants)
    if not arguments.all:
        mutants = random.Random(arguments.seed).sample(mutants, min(arguments.sample, known))
    if not all(_passes(judge, CHECKOUT) for judge in JUDGES):
        print("the tests fail without any mistake in the code: mend that first", file=sys.stderr)
        return 2
    court = Court(mutants, arguments.jobs, arguments.seconds)
    court.sit()
    print(f"{court.judged} of {known} mutants judged, {len(court.survivors)} survived")
    return 1 if court.survivors else 0


if __name__ == "__main__":
    sys.exit(main())
