"""Run the suite on every supported Python of this machine: `make test-pythons`.

Each gets an environment of its own, .venv-3.x. The oldest is given the lowest version of every
dependency that pyproject.toml admits, the others the newest.
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


def run_suite(python: str, version: str, lowest: bool) -> bool:
    environment = ROOT / f".venv-{version}"
    binary = environment / "bin"
    subprocess.run([python, "-m", "venv", str(environment)], check=True)
    install = [str(binary / "pip"), "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*install, "--editable", f"{ROOT}[test]"], check=True)
    if lowest:
        subprocess.run([*install, *lowest_dependencies()], check=True)
    return subprocess.run([str(binary / "pytest"), "-q"], cwd=ROOT).returncode == 0


def main() -> int:
    found = [(version, python) for version in SUPPORTED if (python := find(version))]
    rows = []
    for i, (version, python) in enumerate(found):
        lowest = i == 0
        print(f"── Python {version}{', lowest dependencies' if lowest else ''}", flush=True)
        start = time.perf_counter()
        passed = run_suite(python, version, lowest)
        seconds = time.perf_counter() - start
        rows.append((version, "lowest" if lowest else "newest", passed, seconds))
    print("\nPython  dependencies  result  seconds")
    for version, dependencies, passed, seconds in rows:
        print(f"{version:6}  {dependencies:12}  {'passed' if passed else 'FAILED'}  {seconds:7.0f}")
    missing = sorted(set(SUPPORTED) - {version for version, _ in found})
    if missing:
        print(f"not on this machine: {', '.join(missing)}")
    return 0 if rows and all(passed for _, _, passed, _ in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
