"""How the code is built: packages, files, lines, layers and imports between packages, counted from the syntax trees.

    python -m bench.structure [FOLDER] [--json]

Packages are counted in three containers: the project as a whole, `interlock/`, and `processors/`; a single module
counts as one too. Package A stands above package B if a file of A imports a file of B; the number of layers is the
length of the longest chain of such imports. Where packages import each other in a cycle, the imports that would have to
go count as upward, those with the fewest files behind them first. FOLDER may hold another version of the tree: nothing
is imported.
"""

import ast
import json
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components

LIBRARIES = ("schemas", "learning", "policy", "processors", "streams", "sinks")
PROJECT = (*LIBRARIES, "interlock", "bench", "examples")

# What of `interlock/` libraries import too: packages of their own at the bottom.
AT_THE_BOTTOM = ("errors", "encryption")


@dataclass(frozen=True, slots=True)
class Module:
    """A file: its name without the import name `interlock` before libraries, its lines, and the modules it imports."""

    name: str
    lines: int
    imports: frozenset[str]


@dataclass(frozen=True, slots=True)
class Package:
    """A package or module of a container. `layer`: 1 for packages that import no other package of it."""

    name: str
    layer: int
    files: int
    lines: int
    imports: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Container:
    """The packages of a container. `edges`: pairs of packages of which the first imports the second."""

    name: str
    packages: tuple[Package, ...]
    layers: int
    edges: int
    upward: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Structure:
    """`cycles`: groups of files that import each other."""

    files: int
    lines: int
    longest_file: str
    containers: tuple[Container, ...]
    cycles: tuple[tuple[str, ...], ...]


def structure(root: Path) -> Structure:
    """The structure of the tree in `root`."""
    modules = read_modules(root)
    longest = max(modules.values(), key=lambda module: module.lines)
    return Structure(
        files=len(modules),
        lines=sum(module.lines for module in modules.values()),
        longest_file=f"{longest.name} ({longest.lines} lines)",
        containers=tuple(container(name, modules) for name in ("", "interlock", "processors")),
        cycles=tuple(cycles({name: module.imports for name, module in modules.items()})),
    )


def read_modules(root: Path) -> dict[str, Module]:
    """Every module of the project, by name. Links are not followed: each file counts once."""
    sources = {}
    for folder in PROJECT:
        for path in sorted((root / folder).rglob("*.py")):
            if any(parent.is_symlink() for parent in path.parents if parent != root and root in parent.parents):
                continue
            parts = path.relative_to(root).with_suffix("").parts
            sources[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path.read_text()
    return {
        name: Module(name, source.count("\n"), frozenset(_imports(source, sources.keys()) - {name}))
        for name, source in sources.items()
    }


def container(name: str, modules: Mapping[str, Module]) -> Container:
    """The packages of one container; the project itself has no name."""
    members: dict[str, list[Module]] = {}
    for module in modules.values():
        if package := _package(name, module.name):
            members.setdefault(package, []).append(module)
    weights = Counter(
        (package, target)
        for package, files in members.items()
        for module in files
        for target in {_package(name, imported) for imported in module.imports}
        if target and target != package
    )
    upward = _upward(weights)
    graph = {package: {target for source, target in weights if source == package} for package in members}
    layers = _layers(
        {package: {t for t in targets if (package, t) not in upward} for package, targets in graph.items()}
    )
    packages = (
        Package(
            package, layers[package], len(files), sum(module.lines for module in files), tuple(sorted(graph[package]))
        )
        for package, files in members.items()
    )
    return Container(
        name=name or "the project",
        packages=tuple(sorted(packages, key=lambda package: (-package.layer, package.name))),
        layers=max(layers.values(), default=0),
        edges=len(weights),
        upward=tuple(f"{source} -> {target}" for source, target in sorted(upward)),
    )


def cycles(graph: Mapping[str, Iterable[str]]) -> list[tuple[str, ...]]:
    """The strongly connected components of more than one node."""
    nodes = sorted(graph.keys() | {target for targets in graph.values() for target in targets})
    position = {node: index for index, node in enumerate(nodes)}
    edges = [(position[source], position[target]) for source, targets in graph.items() for target in targets]
    sources, targets = zip(*edges, strict=True) if edges else ((), ())
    adjacency = csr_array(([True] * len(edges), (sources, targets)), shape=(len(nodes), len(nodes)))
    _, labels = connected_components(adjacency, connection="strong")
    components: dict[int, list[str]] = {}
    for node, label in zip(nodes, labels, strict=True):
        components.setdefault(label, []).append(node)
    return [tuple(component) for component in components.values() if len(component) > 1]


def _package(container_name: str, module: str) -> str:
    """The package of a module; empty for modules outside of the container and for the container's own module."""
    parts = module.split(".")
    if not container_name and parts[0] == "interlock" and parts[1:2] and parts[1] in AT_THE_BOTTOM:
        return parts[1]
    if container_name:
        if parts[0] != container_name:
            return ""
        parts = parts[1:]
    return parts[0] if parts and parts[0] != "__main__" else ""


def _imports(source: str, known: Iterable[str]) -> set[str]:
    """The modules of the project that a source imports, anywhere in it."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {module for module in map(partial(_resolve, known=set(known)), names) if module}


def _resolve(name: str, known: set[str]) -> str:
    """The module that an imported name belongs to; empty if it is not of the project."""
    parts = name.split(".")
    if parts[0] == "interlock" and len(parts) > 1 and parts[1] in LIBRARIES and f"interlock.{parts[1]}" not in known:
        parts = parts[1:]
    while parts and ".".join(parts) not in known:
        parts.pop()
    return ".".join(parts)


def _upward(weights: Mapping[tuple[str, str], int]) -> set[tuple[str, str]]:
    """The edges that must go for the packages to stand on layers, those with the fewest files behind them first."""
    left = dict(weights)
    upward = set()
    while components := cycles(_graph(left)):
        inside = [edge for edge in left for component in components if set(edge) <= set(component)]
        weakest = min(inside, key=lambda edge: (left[edge], edge))
        upward.add(weakest)
        del left[weakest]
    return upward


def _graph(edges: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    graph: dict[str, set[str]] = {}
    for source, target in edges:
        graph.setdefault(source, set()).add(target)
    return graph


def _layers(graph: Mapping[str, Iterable[str]]) -> dict[str, int]:
    layers: dict[str, int] = {}

    def layer(package: str) -> int:
        if package not in layers:
            layers[package] = 1 + max((layer(target) for target in graph[package]), default=0)
        return layers[package]

    for package in graph:
        layer(package)
    return layers


def report(measured: Structure) -> str:
    """A table for people."""
    lines = [f"{measured.files} files, {measured.lines:,} lines; longest: {measured.longest_file}"]
    lines += [f"files that import each other: {', '.join(cycle)}" for cycle in measured.cycles] or ["no import cycles"]
    for part in measured.containers:
        total = sum(package.lines for package in part.packages)
        lines += [
            "",
            f"{part.name}: {len(part.packages)} packages, {total:,} lines, {part.layers} layers, {part.edges} imports"
            f" between packages, {len(part.upward)} upward{': ' if part.upward else ''}{', '.join(part.upward)}",
        ]
        for package in part.packages:
            size = f"{package.files:4} files {package.lines:7,} lines"
            lines.append(f"  {package.layer:2}  {package.name:16} {size}  {' '.join(package.imports)}")
    return "\n".join(lines)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = ArgumentParser(prog="python -m bench.structure", description="Counts packages, layers and imports.")
    parser.add_argument("folder", nargs="?", type=Path, default=Path(__file__).parents[1])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    options = parser.parse_args(arguments)
    measured = structure(options.folder)
    print(json.dumps(asdict(measured), indent=2) if options.json else report(measured))


if __name__ == "__main__":
    main()
