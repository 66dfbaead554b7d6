"""Run the suite on every other supported Python of this machine: `make test-pythons`.

This one is `make test`'s. Each gets an environment of its own, .venv-3.x. The oldest is given the
lowest version of every dependency that pyproject.toml admits, the others the newest.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUPPORTED = ("3.10", "3.11", "3.12", "3.13")


def version_of(python: str) -> str | None:
    """The X.Y that this interpreter says it is; None where it does not run."""
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([python, "-c", code], capture_output=True, text=True)
    except OSError:
        return None
    return done.stdout.strip() if done.returncode == 0 else None


def find(version: str) -> str | None:
    """An interpreter of that version: on the PATH, or among pyenv's."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    named = shutil.which(f"python{version}")
    candidates = [named] if named else []
    candidates += map(str, sorted(pyenv.glob(f"versions/{version}.*/bin/python"), reverse=True))
    return next((python for python in candidates if version_of(python) == version), None)


def lowest_dependencies() -> list[str]:
    """The runtime dependencies of pyproject.toml, each at its lower bound."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    listed = re.search(r"^dependencies = \[(.*?)^\]", text, re.MULTILINE | re.DOTALL)
    assert listed is not None
    return [item.replace(">=", "==") for item in re.findall(r'"(.*?)"', listed.group(1))]


def run_suite(python: str, version: str, dependencies: str) -> tuple[str, str, bool, float]:
    """Install and test; a row of the table."""
    environment = ROOT / f".venv-{version}"
    binary = environment / "bin"
    install = [str(binary / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    commands = [
        [python, "-m", "venv", str(environment)],
        [*install, "--editable", f"{ROOT}[test]"],
        [str(binary / "pytest"), *"-q -p no:cacheprovider -n auto --dist worksteal".split()],
    ]
    if dependencies == "lowest":
        commands.insert(2, [*install, *lowest_dependencies()])
    # `make test` looks longer.
    shorter = {"GTENP_MUTATIONS": "50", "GTENP_FUZZ_SECONDS": "5", "GTENP_SWEEP": "assigned"}
    print(f"── Python {version}, {dependencies} dependencies", flush=True)
    start = time.perf_counter()
    for command in commands:
        done = subprocess.run(command, cwd=ROOT, env={**os.environ, **shorter})
        if done.returncode:
            break
    return version, dependencies, done.returncode == 0, time.perf_counter() - start


def main() -> int:
    own = "{}.{}".format(*sys.version_info)
    others = [version for version in SUPPORTED if version != own]
    found = [(version, python) for version in others if (python := find(version))]
    rows = [
        run_suite(python, version, "lowest" if version == "3.10" else "newest")
        for version, python in found
    ]
    print("Python  dependencies  result  seconds")
    for version, dependencies, passed, seconds in rows:
        print(f"{version:6}  {dependencies:12}  {'passed' if passed else 'FAILED'}  {seconds:7.0f}")
    missing = sorted(set(others) - {version for version, _ in found})
    if missing:
        print(f"not on this machine: {', '.join(missing)}")
    return 0 if rows and all(passed for _, _, passed, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
