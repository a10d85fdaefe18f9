"""The house: one folder a codec, every import pointing down, no circles."""

import ast
from pathlib import Path

import cae_compress
from cae_compress.coding import compiled

PACKAGE = Path(cae_compress.__file__).parent
SHARED = {
    None,
    "coding",
    "latent_codec",
    "pictures",
    "weights",
}  # folders of what every codec may use; None is the top level
STAGES = ("network", "codec", "train")


def module_name(path):
    parts = ("cae_compress", *path.relative_to(PACKAGE).with_suffix("").parts)
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {module_name(path): path for path in PACKAGE.rglob("*.py")}
CODECS = {path.parent.name for path in PACKAGE.glob("*/network.py")}


def imports(path):
    """Modules of the package that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            names = {f"{node.module}.{alias.name}" for alias in node.names}
            found |= {name if name in MODULES else node.module for name in names}
    return {name for name in found if name in MODULES and name != "cae_compress"}


def folder(module):
    """The folder below the package that a module is in, or None."""
    parts = module.split(".")
    return parts[1] if len(parts) > 2 or MODULES[module].name == "__init__.py" and len(parts) == 2 else None


IMPORTS = {name: imports(path) for name, path in MODULES.items()}
FRONT_DOOR = {name for name in MODULES if folder(name) == "cli"}
FRONT_DOOR |= {f"cae_compress.{name}" for name in ("codec", "to_size", "pillow_plugin")}


def test_every_codec_has_the_same_stages_under_the_same_names():
    assert {"cheng2018", "flagship"} <= CODECS
    for codec in CODECS:
        assert all((PACKAGE / codec / f"{stage}.py").is_file() for stage in STAGES)


def test_a_codecs_folder_imports_neither_another_codec_nor_what_stands_above():
    for module, targets in IMPORTS.items():
        if folder(module) in CODECS:
            assert not targets & FRONT_DOOR, module
            assert {folder(target) for target in targets} <= {folder(module), *SHARED}, module


def test_what_every_codec_needs_knows_no_codec():
    shared = [name for name in MODULES if folder(name) in SHARED and name not in FRONT_DOOR]
    assert len(shared) > 10
    for module in shared:
        assert not {folder(target) for target in IMPORTS[module]} & {*CODECS, "lab"}, module
        assert not IMPORTS[module] & FRONT_DOOR, module


def test_the_coder_stands_at_the_bottom():
    below = {"cae_compress.bitstream", "cae_compress.checks", "cae_compress.progress"}
    for module in MODULES:
        if folder(module) == "coding":
            assert {target for target in IMPORTS[module] if folder(target) != "coding"} <= below, module


def test_only_the_front_door_imports_the_lab_from_outside():
    for module, targets in IMPORTS.items():
        if any(folder(target) == "lab" for target in targets):
            assert folder(module) == "lab" or module in FRONT_DOOR, module


def test_no_module_imports_itself_in_a_circle():
    done, path = set(), []

    def visit(module):
        assert module not in path, " -> ".join([*path[path.index(module) :], module])
        if module not in done:
            path.append(module)
            for target in IMPORTS[module]:
                visit(target)
            path.pop()
            done.add(module)

    for module in MODULES:
        visit(module)


def test_the_cache_of_compiled_code_is_named_after_all_that_is_compiled_into_it():
    hashed = {module_name(path) for pattern in compiled.SOURCES for path in PACKAGE.glob(pattern)}
    users = {name for name, targets in IMPORTS.items() if "cae_compress.coding.compiled" in targets}
    assert users - {"cae_compress.flagship.ablations"} <= hashed


def test_every_folder_is_a_package_and_so_part_of_a_wheel():
    for path in MODULES.values():
        assert (path.parent / "__init__.py").is_file(), path
    settings = (PACKAGE.parent / "pyproject.toml").read_text()
    assert '[tool.setuptools.packages.find]\ninclude = ["cae_compress*"]' in settings
