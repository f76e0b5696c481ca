"""Build the wheel and check that it contains every package and data file, and nothing else."""

import subprocess
import sys
import tempfile
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("client/netmind_client", "contracts/netmind_contracts", "mock_server/netmind_mock")


def main() -> None:
    """Build and check the wheel. Exit with a message if it differs from the source tree."""
    with tempfile.TemporaryDirectory() as folder:
        build = [sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", folder, str(ROOT)]
        built = subprocess.run(build, capture_output=True, text=True, check=False)
        if built.returncode:
            sys.exit(f"the wheel could not be built:\n{built.stdout}{built.stderr}")
        wheel = next(Path(folder).glob("*.whl"))
        with zipfile.ZipFile(wheel) as archive:
            packed = {name for name in archive.namelist() if ".dist-info/" not in name}
            metadata = {name.split("/", 1)[1] for name in archive.namelist() if ".dist-info/" in name}
    expected = set(tracked_files())
    if packed != expected:
        sys.exit(
            f"the wheel lacks {sorted(expected - packed)} and has in addition {sorted(packed - expected)}"
        )
    for needed in ("METADATA", "entry_points.txt", "licenses/LICENSE"):
        if needed not in metadata:
            sys.exit(f"the wheel's metadata lacks {needed}")
    print(f"{wheel.name}: {len(packed)} files, as in the source tree")


def tracked_files() -> list[str]:
    """Return the files of the packages, by their names in a wheel."""
    return [
        str(path.relative_to((ROOT / package).parent))
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    ]


if __name__ == "__main__":
    main()
