"""Which modules and scripts import which, also within functions, but for those that are imported for types alone."""

import ast
import graphlib

import pytest

from helpers import ROOT

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for path in (*ROOT.glob("*.py"), *(ROOT / "mltu").rglob("*.py"))
}
BACKENDS = ("tensorflow", "keras", "torch", "jax")


def imports(module):
    """Full names of all that a module imports."""
    path = MODULES[module]
    found = set()

    def visit(node):
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING":
            return
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            parts = module.split(".")[: -node.level + (path.name == "__init__.py") or None] if node.level else []
            base = ".".join([*parts, *([node.module] if node.module else [])])
            found.update(f"{base}.{alias.name}" for alias in node.names)
        for child in ast.iter_child_nodes(node):
            visit(child)

    visit(ast.parse(path.read_text(encoding="utf-8")))
    return found


IMPORTS = {module: imports(module) for module in MODULES}
LEANS_ON = {
    module: {name if name in MODULES else name.rpartition(".")[0] for name in names} & MODULES.keys() - {module}
    for module, names in IMPORTS.items()
}


def test_modules_are_read_with_their_imports():
    assert "mltu.tensorflow.callbacks" in LEANS_ON["mltu.tensorflow.distribute"]
    assert "mltu.ctc" in LEANS_ON["mltu.beam_search"]
    assert {"model", "mltu.run_folder"} <= LEANS_ON["train"]
    assert "mltu.pages.finder" in LEANS_ON["mltu.pages"]


def test_no_modules_import_each_other():
    list(graphlib.TopologicalSorter(LEANS_ON).static_order())  # an error names the circle


def test_package_imports_no_script():
    for module in MODULES:
        if module.startswith("mltu"):
            assert all(name.startswith("mltu") for name in LEANS_ON[module]), module


@pytest.mark.parametrize("room", ["mltu.utils", "mltu.annotations", "mltu.pages", "mltu.pictures", "mltu.loading"])
def test_rooms_below_do_not_know_training(room):
    inside = [module for module in MODULES if f"{module}.".startswith(f"{room}.")]
    assert inside
    for module in inside:
        assert not [name for name in LEANS_ON[module] if name.startswith("mltu.tensorflow")], module
        assert not [name for name in IMPORTS[module] if name.split(".")[0] in BACKENDS], module


def test_tools_lean_on_nothing_above_them():
    for module in MODULES:
        if module.startswith("mltu.utils."):
            above = {name for name in LEANS_ON[module] if not name.startswith("mltu.utils")}
            assert above <= {"mltu.ctc"}, module  # whose decoder `text_utils` offers under its old name
