"""What a Containerfile says, done without a builder: its steps, one after the other, in a folder.

Only what ours says is understood; anything else is an error. Commands run in a namespace in which the account
is root, in that folder, as a rootless builder runs them.
"""

import json
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

Config = dict[str, object]
"""As an image's: ``Env``, ``WorkingDir``, ``User``, ``Entrypoint``, ``Cmd``."""
SEEN = ("/etc/ssl/certs", "/etc/pip.conf", "/etc/resolv.conf")
"""What of this machine the steps see: they reach the package index as it does."""
_SETTINGS = ("pip_", "http_proxy", "https_proxy", "no_proxy", "ssl_cert_file")
_ENTER = """
cd "$1"; shift
mount --rbind /dev dev
for each; do [ ! -e "$each" ] || mount --rbind "$each" "./$each"; done
exec unshare --root=. --wd="$WORK" /bin/sh -c "$STEP"
"""


def instructions(text: str) -> Iterator[tuple[str, str]]:
    """Each instruction and what it says, in order; a line that ends in ``\\`` goes on in the next."""
    for line in text.replace("\\\n", " ").splitlines():
        if line.strip() and not line.lstrip().startswith("#"):
            name, _, words = line.strip().partition(" ")
            yield name.upper(), words.strip()


def follow(file: Path, context: Path, root: Path, config: Config) -> Config:
    """Do to *root*, an image's files, what *file* says; the image's config, begun as its base's *config*.

    Raises SystemExit for an instruction that isn't known, or a command that fails.
    """
    config = dict(config)
    for name, words in instructions(file.read_text()):
        if name == "RUN":
            _run(words, root, config)
        elif name == "COPY":
            _copy(context, root / _work(config), *shlex.split(words))
        elif name == "WORKDIR":
            config["WorkingDir"] = words
            (root / _work(config)).mkdir(parents=True, exist_ok=True)
        elif name in ("ENTRYPOINT", "CMD"):
            config[name.capitalize()] = json.loads(words)
        elif name == "USER":
            config["User"] = words
        elif name != "FROM":
            raise SystemExit(f"{file}: {name} is not known here")
    return config


def can_run() -> bool:
    """Whether this account may make the namespaces that commands run in."""
    if not (shutil.which("unshare") and shutil.which("mount")):
        return False
    made = ["unshare", "--map-root-user", "--mount", "true"]
    return subprocess.run(made, capture_output=True, check=False).returncode == 0


def _work(config: Config) -> str:
    return str(config.get("WorkingDir", "/")).removeprefix("/")


def _copy(context: Path, work: Path, source: str, target: str) -> None:
    ignored = shutil.ignore_patterns("__pycache__")
    if (context / source).is_dir():
        shutil.copytree(context / source, work / target, ignore=ignored, dirs_exist_ok=True)
    else:
        (work / target).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(context / source, work / target)


def _run(step: str, root: Path, config: Config) -> None:
    made = [_place(root, each) for each in (*SEEN, "/dev") if Path(each).exists()]
    mine = {name: value for name, value in os.environ.items() if name.lower().startswith(_SETTINGS)}
    own = dict(each.split("=", 1) for each in config.get("Env", []))
    env = {**mine, **own, "STEP": step, "WORK": f"/{_work(config)}"}
    command = ["unshare", "--map-root-user", "--mount", "/bin/sh", "-euc", _ENTER, "sh", root, *SEEN]
    done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    for each in filter(None, made):
        each.rmdir() if each.is_dir() else each.unlink()
    if done.returncode:
        raise SystemExit(f"RUN {step}:\n{done.stdout[-2000:]}{done.stderr[-2000:]}")


def _place(root: Path, seen: str) -> Path | None:
    """Something in *root* to mount it at; nothing where there is one already."""
    place = root / seen.removeprefix("/")
    if place.exists():
        return None
    place.parent.mkdir(parents=True, exist_ok=True)
    place.mkdir() if Path(seen).is_dir() else place.touch()
    return place
