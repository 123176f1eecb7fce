"""Small changes of a module's source, one at a time: what a test should notice.

A change keeps the source's own text but for the one place that it replaces. Left alone is what no test should hold: texts
of messages, annotations, docstrings, imports, decorators, and what only type checkers read.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = ["Change", "changes_of", "is_python"]

_COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
_ARITHMETIC: Final[dict[type[ast.operator], type[ast.operator]]] = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.FloorDiv,
    ast.Div: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
    ast.Pow: ast.Mult,
}
_NO_TESTS_MATTER: Final = frozenset({"warn_once", "debug", "info", "warning", "cast", "TypeVar", "ParamSpec"})
"""Functions whose arguments are words for people or for type checkers."""


_GENERIC: Final = frozenset(
    {
        "Annotated",
        "Callable",
        "ClassVar",
        "Final",
        "Generic",
        "Literal",
        "dict",
        "frozenset",
        "list",
        "set",
        "tuple",
        "type",
    }
)


@dataclass(frozen=True, slots=True)
class Change:
    """One change.

    Args:
        line: where it begins, from 1.
        what: the kind of it, in words.
        before: the text that it replaces.
        after: the text that it puts there.
        source: the whole module with the change made.
    """

    line: int
    what: str
    before: str
    after: str
    source: str


def changes_of(source: str) -> list[Change]:
    """Return all changes of a module, in the order of their lines."""
    text = source.encode()
    starts = [0]
    for line in text.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    found: list[Change] = []
    for node, what, after in _Walk().walk(ast.parse(source)):
        if node.end_lineno is None or node.end_col_offset is None:
            continue
        begin = starts[node.lineno - 1] + node.col_offset
        end = starts[node.end_lineno - 1] + node.end_col_offset
        changed = (text[:begin] + after.encode() + text[end:]).decode()
        before = text[begin:end].decode()
        if changed != source:
            found.append(Change(node.lineno, what, before, after, changed))
    return sorted(found, key=lambda change: change.line)


def is_python(change: Change) -> bool:
    """Return whether the changed module compiles; to look at all changes of a package takes half a minute."""
    try:
        compile(change.source, "<changed>", "exec")
    except (SyntaxError, ValueError):
        return False
    return True


_Found = tuple[ast.expr | ast.stmt, str, str]


class _Walk:
    """Finds the nodes of a module that can be changed, and what to put in their places."""

    def walk(self, module: ast.Module) -> Iterator[_Found]:
        """Yield a node, the kind of change, and the text that takes the node's place."""
        yield from self._body(module.body, module=True)

    def _body(self, body: list[ast.stmt], *, module: bool = False) -> Iterator[_Found]:
        for statement in body:
            if not (_is_docstring(statement) or _is_for_type_checkers(statement)):
                yield from self._statement(statement, removable=not module)

    def _statement(self, node: ast.stmt, *, removable: bool) -> Iterator[_Found]:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield from self._defaults(node.args)
                yield from self._body(node.body)
                return
            case ast.ClassDef():
                yield from self._body(node.body, module=True)
                return
            case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.Global() | ast.Nonlocal() | ast.Pass():
                return
            case ast.Raise():
                yield node, "the error is not raised", "pass"
                return
            case ast.Return() if node.value is not None and not _is_nothing(node.value):
                yield node, "nothing is returned", "return None"
            case ast.Continue():
                yield node, "continue becomes break", "break"
            case ast.Break():
                yield node, "break becomes continue", "continue"
            case ast.Expr() | ast.AugAssign() | ast.Delete() if removable:
                yield node, "the statement is left out", "pass"
            case ast.Assign() if removable and _changes_what_is_there(node):
                yield node, "the assignment is left out", "pass"
            case ast.If():
                yield from _decided(node.test)
            case ast.While():
                yield node.test, "the condition never holds", "(False)"
            case _:
                pass
        yield from self._parts(node)

    def _parts(self, node: ast.AST) -> Iterator[_Found]:
        """Yield the changes inside a node: of its expressions, and of the statements in its blocks."""
        for name, value in ast.iter_fields(node):
            if name in ("annotation", "pattern"):
                continue
            for child in value if isinstance(value, list) else [value]:
                match child:
                    case ast.stmt():
                        yield from self._body([child])
                    case ast.expr():
                        yield from self._expression(child)
                    case ast.match_case(guard=ast.expr() as guard):
                        yield from _decided(guard)
                        yield from self._parts(child)
                    case ast.ExceptHandler() | ast.match_case() | ast.comprehension() | ast.keyword() | ast.withitem():
                        yield from self._parts(child)
                    case _:
                        pass

    def _defaults(self, arguments: ast.arguments) -> Iterator[_Found]:
        for default in [*arguments.defaults, *arguments.kw_defaults]:
            if default is not None:
                yield from self._expression(default)

    def _expression(self, node: ast.expr) -> Iterator[_Found]:
        if isinstance(node, ast.JoinedStr) or _is_of_words(node) or _is_of_types(node):
            return
        for what, changed in _changed(node):
            try:
                yield node, what, f"({ast.unparse(changed)})"
            except ValueError:
                continue
        yield from self._parts(node)


def _changed(node: ast.expr) -> Iterator[tuple[str, ast.expr]]:
    """Yield the expressions that may stand in the place of one, each with the kind of change."""
    match node:
        case ast.Compare() | ast.BoolOp() | ast.UnaryOp() | ast.IfExp():
            yield from _changed_condition(node)
        case ast.Constant(value=bool()):
            yield "the truth is another", ast.Constant(not node.value)
        case ast.Constant(value=int() | float() as number):
            yield "the number is another", ast.Constant(number + 1)
        case ast.BinOp():
            yield from _changed_operation(node)
        case ast.Dict() | ast.Set() | ast.List() | ast.Tuple():
            yield from _changed_collection(node)
        case ast.Call():
            for keyword in node.keywords:
                if keyword.arg is not None:
                    fewer = [other for other in node.keywords if other is not keyword]
                    yield f"{keyword.arg}= is left out", ast.Call(node.func, node.args, fewer)
        case ast.ListComp() | ast.SetComp() | ast.GeneratorExp() | ast.DictComp():
            yield from _changed_comprehension(node)
        case _:
            pass


def _changed_condition(node: ast.Compare | ast.BoolOp | ast.UnaryOp | ast.IfExp) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Compare():
            for place, operator in enumerate(node.ops):
                operators = [*node.ops[:place], _COMPARISONS[type(operator)](), *node.ops[place + 1 :]]
                yield "the comparison is another", ast.Compare(node.left, operators, node.comparators)
        case ast.BoolOp():
            other = ast.Or() if isinstance(node.op, ast.And) else ast.And()
            yield f"{_word(node.op)} becomes {_word(other)}", ast.BoolOp(other, node.values)
            for value in node.values:
                rest = [one for one in node.values if one is not value]
                yield "a condition is left out", rest[0] if len(rest) == 1 else ast.BoolOp(node.op, rest)
        case ast.UnaryOp(op=ast.Not()):
            yield "not is left out", node.operand
        case ast.IfExp():
            yield "always the first of two", node.body
            yield "always the second of two", node.orelse
        case _:
            pass


def _changed_operation(node: ast.BinOp) -> Iterator[tuple[str, ast.expr]]:
    if type(node.op) in _ARITHMETIC:
        yield "the operation is another", ast.BinOp(node.left, _ARITHMETIC[type(node.op)](), node.right)
    if isinstance(node.op, ast.Add | ast.BitOr | ast.BitAnd | ast.Sub):
        yield "only the left of two", node.left
        yield "only the right of two", node.right


def _changed_collection(node: ast.Dict | ast.Set | ast.List | ast.Tuple) -> Iterator[tuple[str, ast.expr]]:
    if isinstance(node, ast.Dict):
        for place in range(len(node.keys)):
            keys = [*node.keys[:place], *node.keys[place + 1 :]]
            yield "an entry is left out", ast.Dict(keys, [*node.values[:place], *node.values[place + 1 :]])
        return
    # What is unpacked into a fixed number of names, or assigned to, fails at once without one of them.
    if isinstance(getattr(node, "ctx", None), ast.Store) or len(node.elts) < 2:
        return
    for place in range(len(node.elts)):
        rest = [*node.elts[:place], *node.elts[place + 1 :]]
        match node:
            case ast.Set():
                yield "an element is left out", ast.Set(rest)
            case ast.List():
                yield "an element is left out", ast.List(rest, ast.Load())
            case ast.Tuple():
                yield "an element is left out", ast.Tuple(rest, ast.Load())


def _changed_comprehension(
    node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp,
) -> Iterator[tuple[str, ast.expr]]:
    for place, generator in enumerate(node.generators):
        for number in range(len(generator.ifs)):
            fewer = [*generator.ifs[:number], *generator.ifs[number + 1 :]]
            changed = ast.comprehension(generator.target, generator.iter, fewer, generator.is_async)
            generators = [*node.generators[:place], changed, *node.generators[place + 1 :]]
            match node:
                case ast.DictComp():
                    yield "a condition is left out", ast.DictComp(node.key, node.value, generators)
                case ast.ListComp():
                    yield "a condition is left out", ast.ListComp(node.elt, generators)
                case ast.SetComp():
                    yield "a condition is left out", ast.SetComp(node.elt, generators)
                case ast.GeneratorExp():
                    yield "a condition is left out", ast.GeneratorExp(node.elt, generators)


def _word(operator: ast.boolop) -> str:
    return "and" if isinstance(operator, ast.And) else "or"


def _decided(condition: ast.expr) -> Iterator[_Found]:
    yield condition, "the condition always holds", "(True)"
    yield condition, "the condition never holds", "(False)"


def _changes_what_is_there(node: ast.Assign) -> bool:
    """Whether an assignment can be left out: to a field or an entry, or to a name that it also reads."""
    names = {target.id for target in node.targets if isinstance(target, ast.Name)}
    read = {inner.id for inner in ast.walk(node.value) if isinstance(inner, ast.Name)}
    return len(names) < len(node.targets) or bool(names & read)


def _is_nothing(node: ast.expr) -> bool:
    """Whether an expression is None already, or False, which callers take for the same."""
    return isinstance(node, ast.Constant) and (node.value is None or node.value is False)


def _is_docstring(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _is_for_type_checkers(node: ast.stmt) -> bool:
    match node:
        case ast.If(test=ast.Name(id="TYPE_CHECKING")):
            return True
        case ast.Assign(targets=[ast.Name(id="__all__" | "__slots__")]):
            return True
        case ast.AnnAssign(annotation=ast.Name(id="TypeAlias")):
            return True
        case _:
            return False


def _is_of_types(node: ast.expr) -> bool:
    """Whether an expression says a type: ``dict[str, int]``."""
    match node:
        case ast.Subscript(value=ast.Name(id=name)) | ast.Subscript(value=ast.Attribute(attr=name)):
            return name in _GENERIC
        case _:
            return False


def _is_of_words(node: ast.expr) -> bool:
    """Whether an expression is a call whose arguments are words for people."""
    match node:
        case ast.Call(func=ast.Name(id=name)) | ast.Call(func=ast.Attribute(attr=name)):
            return name in _NO_TESTS_MATTER
        case _:
            return False
