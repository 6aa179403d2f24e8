"""Makes one virtual environment a peer from requirements/NAME.txt, with pip, and says what is installed in it."""

import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).resolve().parent / "requirements"


def ensure(venvs, name):
    """The environment, made or brought up to its requirements; nothing is done when they are met already."""
    folder, wanted = Path(venvs) / name, (REQUIREMENTS / f"{name}.txt").read_text()
    stamp = folder / "requirements.txt"
    if stamp.exists() and stamp.read_text() == wanted:
        return
    print(f"environment {name}: installing", file=sys.stderr, flush=True)
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "--quiet", "--disable-pip-version-check",
                    "--requirement", REQUIREMENTS / f"{name}.txt"], check=True)
    stamp.write_text(wanted)


def versions(name):
    """`package version` pairs that the environment is pinned to."""
    lines = (REQUIREMENTS / f"{name}.txt").read_text().split()
    return [line.replace("==", " ") for line in lines]
