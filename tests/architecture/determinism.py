"""
Finds what would make workflow code give another answer when it is replayed.

The sandbox checks workflow files only; what they import passes through it unchecked (measured), so domain and
contracts are proved here. The rules are syntactic and resolve names through the imports of the module:

- clocks, random numbers, identities (`hash`, `id`), the outside (`open`, environment, threads, logging);
- `asyncio.wait` and `as_completed`, whose order is that of a set;
- iteration over a set, whose order changes from process to process; `sorted(…)`, `len`, `in`, `min`, `max`,
  `any` and `all` do not depend on it;
- state of a module: a list, dictionary, set or counter at module or class level is a constant, written in capitals
  and never changed; `global` is never needed.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass

_MODULES = frozenset(
    "glob logging multiprocessing os pathlib random secrets select shutil socket subprocess tempfile threading "
    "time".split()
)
_CLOCKS = frozenset({"now", "today", "utcnow"})
_BUILTINS = frozenset({"eval", "exec", "hash", "id", "input", "open", "print"})
_NAMES = frozenset(
    "asyncio.as_completed asyncio.run asyncio.to_thread asyncio.wait uuid.getnode uuid.uuid1 uuid.uuid4 uuid.uuid6 "
    "uuid.uuid7".split()
)
_MUTABLE = frozenset({"Counter", "OrderedDict", "bytearray", "count", "defaultdict", "deque", "dict", "list", "set"})
_MUTATORS = frozenset(
    "add append appendleft clear discard extend insert pop popitem popleft remove setdefault sort update".split()
)
_SET_METHODS = frozenset({"difference", "intersection", "symmetric_difference", "union"})
_ORDER_KEEPERS = frozenset({"enumerate", "filter", "iter", "list", "map", "next", "reversed", "tuple", "zip"})
_SET_TYPES = frozenset({"AbstractSet", "MutableSet", "frozenset", "set"})


@dataclass(frozen=True)
class Finding:
    """One line that must not be there, and why."""

    line: int
    rule: str
    what: str


def findings(source: str, *, allowed: frozenset[str] = frozenset()) -> list[Finding]:
    """What is wrong with a module; `allowed` are full names (`os.urandom`) with a reason of their own."""
    return sorted(_Check(ast.parse(source), allowed).run(), key=lambda finding: finding.line)


class _Check:
    def __init__(self, tree: ast.Module, allowed: frozenset[str]) -> None:
        self._tree = tree
        self._allowed = allowed
        self._imports = dict(_imported(tree))
        self._sets = frozenset(_names_of_sets(tree))

    def run(self) -> Iterator[Finding]:
        yield from self._module_state()
        for node in ast.walk(self._tree):
            yield from self._imported_outside(node)
            yield from self._name(node)
            yield from self._mutation(node)
            for iterated in _iterated(node):
                if self._is_set(iterated):
                    yield Finding(iterated.lineno, "set-order", ast.unparse(iterated))

    def _imported_outside(self, node: ast.AST) -> Iterator[Finding]:
        if not isinstance(node, ast.Import | ast.ImportFrom):
            return
        for _, name in _targets(node):
            root = name.partition(".")[0]
            tolerated = any(name in (root, entry) for entry in self._allowed if entry.startswith(f"{root}."))
            if root in _MODULES and not tolerated:
                yield Finding(node.lineno, "outside", name)

    def _name(self, node: ast.AST) -> Iterator[Finding]:
        if not isinstance(node, ast.Name | ast.Attribute) or not isinstance(node.ctx, ast.Load):
            return
        name = self._resolved(node)
        last = name.rpartition(".")[2]
        root = name.partition(".")[0]
        if name in self._allowed:
            return
        if name in _BUILTINS and name not in self._imports:
            yield Finding(node.lineno, "builtin", name)
        elif name in _NAMES or (root in _MODULES and "." in name and root in self._imports):
            yield Finding(node.lineno, "outside", name)
        elif isinstance(node, ast.Attribute) and last in _CLOCKS and not name.startswith("temporalio.workflow."):
            yield Finding(node.lineno, "clock", name)

    def _module_state(self) -> Iterator[Finding]:
        scopes = [node for node in ast.walk(self._tree) if isinstance(node, ast.Module | ast.ClassDef)]
        for scope in scopes:
            for statement in scope.body:
                if isinstance(statement, ast.Assign | ast.AnnAssign) and _is_mutable(statement.value):
                    yield from (
                        Finding(statement.lineno, "module-state", name)
                        for name in _assigned(statement)
                        if name != "__all__" and not name.isupper()
                    )

    def _mutation(self, node: ast.AST) -> Iterator[Finding]:
        if isinstance(node, ast.Global):
            yield Finding(node.lineno, "module-state", f"global {', '.join(node.names)}")
        changed: ast.expr | None = None
        if isinstance(node, ast.Subscript | ast.Attribute) and isinstance(node.ctx, ast.Store | ast.Del):
            changed = node.value
        elif isinstance(node, ast.AugAssign):
            changed = node.target
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _MUTATORS:
            changed = node.func.value
        if changed is not None and _last(changed).isupper():
            yield Finding(changed.lineno, "module-state", ast.unparse(changed))

    def _resolved(self, node: ast.expr) -> str:
        text = ast.unparse(node)
        first, dot, rest = text.partition(".")
        return self._imports.get(first, first) + dot + rest

    def _is_set(self, node: ast.expr) -> bool:
        match node:
            case ast.Set() | ast.SetComp():
                return True
            case ast.Call(func=ast.Name(id="set" | "frozenset")):
                return True
            case ast.Call(func=ast.Attribute(attr=name)) if name in _SET_METHODS:
                return True
            case ast.BinOp(left=left, op=ast.BitOr() | ast.BitAnd() | ast.Sub() | ast.BitXor(), right=right):
                return any(self._is_set(side) or _is_keys(side) for side in (left, right))
            case ast.Name() | ast.Attribute():
                return ast.unparse(node) in self._sets
        return False


def _imported(tree: ast.AST) -> Iterator[tuple[str, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield from _targets(node)


def _targets(node: ast.Import | ast.ImportFrom) -> Iterator[tuple[str, str]]:
    for alias in node.names:
        if isinstance(node, ast.ImportFrom):
            yield alias.asname or alias.name, f"{node.module}.{alias.name}"
        else:
            yield (alias.asname or alias.name.partition(".")[0]), alias.name


def _names_of_sets(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg) and _is_set_type(node.annotation):
            yield node.arg
        elif isinstance(node, ast.AnnAssign) and _is_set_type(node.annotation):
            yield ast.unparse(node.target)
            yield f"self.{ast.unparse(node.target)}"
        elif isinstance(node, ast.Assign) and _makes_set(node.value):
            yield from (ast.unparse(target) for target in node.targets)


def _is_set_type(annotation: ast.expr | None) -> bool:
    if isinstance(annotation, ast.Subscript):
        annotation = annotation.value
    return annotation is not None and _last(annotation) in _SET_TYPES


def _makes_set(value: ast.expr) -> bool:
    is_call = isinstance(value, ast.Call) and _last(value.func) in ("set", "frozenset")
    return is_call or isinstance(value, ast.Set | ast.SetComp)


def _iterated(node: ast.AST) -> Iterator[ast.expr]:
    match node:
        case ast.For(iter=iterated) | ast.AsyncFor(iter=iterated):
            yield iterated
        case ast.ListComp() | ast.GeneratorExp() | ast.DictComp():
            # A set built from a set has no order to lose.
            yield from (generator.iter for generator in node.generators)
        case ast.Starred(value=value) | ast.YieldFrom(value=value):
            yield value
        case ast.Call(func=ast.Name(id=name)) if name in _ORDER_KEEPERS:
            yield from node.args
        case ast.Call(func=ast.Attribute(attr="join" | "extend" | "fromkeys"), args=[first, *_]):
            yield first
        case ast.Call(func=ast.Attribute(attr="pop", value=value), args=[]):
            yield value


def _is_mutable(value: ast.expr | None) -> bool:
    if isinstance(value, ast.Call):
        return _last(value.func) in _MUTABLE
    return isinstance(value, ast.List | ast.Dict | ast.Set | ast.ListComp | ast.DictComp | ast.SetComp)


def _is_keys(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("keys", "items")


def _assigned(statement: ast.Assign | ast.AnnAssign) -> Iterator[str]:
    for target in statement.targets if isinstance(statement, ast.Assign) else [statement.target]:
        yield from (node.id for node in ast.walk(target) if isinstance(node, ast.Name))


def _last(node: ast.expr) -> str:
    return ast.unparse(node).rpartition(".")[2]
