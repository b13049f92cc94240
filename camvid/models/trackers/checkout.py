"""Code that no registry carries: a package out of the user's own checkout of a repository."""

import importlib
import importlib.util
import sys
from pathlib import Path
from types import ModuleType

from camvid.errors import BackendUnavailable


def import_from_checkout(module: str, folders: list[Path], how_to_get_it: str) -> ModuleType:
    """The module, from the installed package or from the first folder that holds its package.

    The folder is not put on sys.path: nothing else in it may shadow an installed package.

    Raises:
        BackendUnavailable: it is nowhere, or something that it imports is missing.
    """
    package = module.partition(".")[0]
    if package not in sys.modules and importlib.util.find_spec(package) is None:
        found = next((f for f in folders if (f / package / "__init__.py").is_file()), None)
        if found is None:
            raise BackendUnavailable(
                f"the package {package} must be installed or in a checkout, found none in"
                f" {', '.join(map(str, folders)) or 'no folder: none was named'}",
                fix=how_to_get_it,
            )
        _import_package(package, found / package)
    try:
        return importlib.import_module(module)
    except ImportError as error:
        raise BackendUnavailable(f"{module} cannot be imported: {error}") from error


def _import_package(name: str, folder: Path) -> None:
    """Makes the folder the package of that name, as an installation would."""
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec is not None
    assert spec.loader is not None
    package = importlib.util.module_from_spec(spec)
    sys.modules[name] = package
    try:
        spec.loader.exec_module(package)
    except BaseException:
        del sys.modules[name]
        raise
