"""Make the virtual environment: every dependency as locked, with hashes, and the package itself, editable.

Called by `make` with the system's Python; needs nothing but the standard library. Debian's Python may lack `ensurepip`
(package python3-venv): then it is installed through apt where that is allowed.
"""

import os
import subprocess
import sys
import venv
from pathlib import Path


def main(folder: str, lock: str) -> None:
    if sys.version_info < (3, 11):
        sys.exit(f"Loadlock needs Python 3.11 or newer; this is {sys.version.split()[0]} (make PYTHON=python3.12 ...)")
    target = Path(folder)
    if not (target / "bin" / "python").exists():
        create(target)
    python = str(target / "bin" / "python")
    run(python, "-m", "pip", "install", "--quiet", "--require-hashes", "-r", lock)
    # the build back end comes from the lock too (hatchling), so nothing is fetched outside it
    run(python, "-m", "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", ".")


def create(target: Path) -> None:
    try:
        venv.create(target, with_pip=True, clear=True)
    except (subprocess.CalledProcessError, ImportError):
        if os.geteuid() != 0:
            sys.exit("this Python can't make virtual environments: apt-get install python3-venv")
        run("apt-get", "update", "-qq")
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", "python3-venv")
        venv.create(target, with_pip=True, clear=True)


def run(*command: str) -> None:
    print("+", " ".join(command[:6]), flush=True)
    result = subprocess.run(command, check=False)
    if result.returncode:
        sys.exit(result.returncode)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2])
