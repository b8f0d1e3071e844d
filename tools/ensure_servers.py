"""Install what the tests start themselves (PostgreSQL, MariaDB, LibreOffice), through apt where it's missing and may be.

As root on a Debian machine this installs them; elsewhere it says what is missing and goes on: the tests skip aloud.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

WANTED = {
    "postgresql": lambda: any(Path("/usr/lib/postgresql").glob("*/bin/initdb")) or shutil.which("initdb") is not None,
    "mariadb-server": lambda: shutil.which("mariadbd") is not None or Path("/usr/sbin/mariadbd").exists(),
    # saves workbooks of rejects again, as a person's spreadsheet does
    "libreoffice-calc-nogui": lambda: shutil.which("soffice") is not None,
}


def main() -> None:
    missing = [package for package, present in WANTED.items() if not present()]
    if not missing:
        return
    if os.geteuid() != 0 or shutil.which("apt-get") is None:
        print(f"missing: {', '.join(missing)}; the tests that need them skip (apt-get install {' '.join(missing)})")
        return
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for command in (
        ["apt-get", "update", "-qq"],
        ["apt-get", "install", "-y", "-qq", "--no-install-recommends", *missing],
    ):
        if subprocess.run(command, check=False, env=environment, stdout=subprocess.DEVNULL).returncode:
            print(f"{' '.join(command)} failed; the tests that need {', '.join(missing)} can't run", file=sys.stderr)
            return


if __name__ == "__main__":
    main()
