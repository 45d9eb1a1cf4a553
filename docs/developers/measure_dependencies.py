"""Size on disk, licence and place of every declared dependency, in the Python that runs this.

``python docs/developers/measure_dependencies.py`` prints the table of ``dependencies.md``. Standard library only.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, distribution, packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", re.split(r"[ ;<>=!~\[]", name, maxsplit=1)[0]).lower()


def declared() -> dict[str, list[str]]:
    """Names of packages by where ``pyproject.toml`` asks for them."""
    with open(ROOT / "pyproject.toml", "rb") as file:
        project = tomllib.load(file)
    groups = {"run": project["project"]["dependencies"]}
    groups |= project["project"]["optional-dependencies"] | project["dependency-groups"]
    return {group: [normal(name) for name in names if isinstance(name, str)] for group, names in groups.items()}


def needed(name: str) -> set[str]:
    """A package and everything that it brings, as far as installed here; extras apart."""
    seen, open_ = set(), [name]
    while open_:
        package = open_.pop()
        try:
            requires = distribution(package).requires or []
        except PackageNotFoundError:
            continue
        if package not in seen:
            seen.add(package)
            open_ += [normal(line) for line in requires if "extra ==" not in line]
    return seen


def megabytes(packages: Iterable[str]) -> float:
    paths = {Path(str(file.locate())).resolve() for name in packages for file in distribution(name).files or []}
    return sum(path.stat().st_size for path in paths if path.is_file()) / 1e6


def licence(name: str) -> str:
    metadata = distribution(name).metadata
    classified = [line.split(" :: ")[-1] for line in metadata.get_all("Classifier") or [] if line.startswith("License")]
    written = metadata.get("License-Expression")
    return written or ", ".join(classified) or (metadata.get("License") or "not said").split("\n")[0]


def on_start_up() -> set[str]:
    """Packages that ``stanalysis --help`` imports."""
    code = (
        "import sys\nfrom contextlib import suppress\nfrom stanalysis.cli.main import main\n"
        "with suppress(SystemExit):\n    main(['--help'])\nprint(*{name.partition('.')[0] for name in sys.modules})"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    owners = packages_distributions()
    return {normal(package) for module in printed.splitlines()[-1].split() for package in owners.get(module, [])}


if __name__ == "__main__":
    start = on_start_up()
    asked = declared()
    print("| group | package | version | licence | MB | MB with all that it alone brings | start-up |")
    print("|---|---|---|---|---|---|---|")
    for group, names in asked.items():
        for name in names:
            others = set().union(*(needed(other) for other in asked["run"] if other != name))
            alone = needed(name) - (others if group == "run" else set().union(*map(needed, asked["run"]))) | {name}
            row = [f"{megabytes([name]):.1f}", f"{megabytes(alone):.1f}", "yes" if name in start else ""]
            print("|", " | ".join([group, name, distribution(name).version, licence(name), *row]), "|")
    print(f"\nAll that running needs: {megabytes(set().union(*map(needed, asked['run']))):.0f} MB.")
    everything = set().union(*(needed(name) for names in asked.values() for name in names))
    print(f"With everything for tests and development: {megabytes(everything):.0f} MB.")
