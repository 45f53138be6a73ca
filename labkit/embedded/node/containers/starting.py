"""From an image and a container's spec to something that runs."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from labkit.embedded.interfaces import Launch, ProcessCommand
from labkit.embedded.node.containers import last_words
from labkit.embedded.node.containers.catalogue import BuiltinImage, Image
from labkit.embedded.node.containers.sandbox import Sandbox
from labkit.embedded.node.inside.files import Mount
from labkit.embedded.node.inside.start import command_line
from labkit.embedded.node.logs.container_log import ContainerLog
from labkit.embedded.node.processes.begun import Begun
from labkit.embedded.node.processes.environment import container_environment
from labkit.embedded.node.processes.process import Stdin, SupervisedProcess
from labkit.embedded.node.processes.programs import find_program
from labkit.embedded.node.processes.runs import BuiltinRun, ProcessRun, Run, Surroundings
from labkit.embedded.node.volumes import sub_paths, volumes
from labkit.embedded.objects import Obj, name_of, namespace_of

PROGRAMS = "bin"
"""The folder, in a container's own, of the programs that only it has."""
FOLDERS = "image"
"""The one of the folders that its image has."""


def launch_of(sandbox: Sandbox, spec: Obj) -> Launch:
    """What the image's entry shall know.

    ConfigError where the container's ``env`` can't be had, MountError where a volume can't.
    """
    variables = container_environment(sandbox.node.client, sandbox.pod, spec, sandbox.pod_ip)
    spec = sub_paths.expanded(spec, variables)
    sandbox.inside(spec)
    directory = sandbox.run_dir(spec["name"])
    return Launch(sandbox.pod, spec, directory, sandbox.pod_ip, sandbox.app_ip, variables)


def start(
    sandbox: Sandbox, launch: Launch, image: Image, log: ContainerLog, ready: Callable[[bool], None]
) -> Run:
    """Start *image*; *ready* is for containers that know it themselves."""
    if isinstance(image, BuiltinImage):
        command = ProcessCommand([], programs=image.programs)
        surroundings = _surroundings(sandbox, launch, command)
        return BuiltinRun(image.make(launch), launch.pod, log.write_line, ready, surroundings)
    command = image.describe(launch)
    surroundings = _surroundings(sandbox, launch, command)
    argv, variables = command.argv, surroundings.environment
    supervised = not image.is_proxy and not (_is_ours(command) and not _has_own_files(launch, command))
    if not supervised and not image.is_proxy:
        variables = {**variables, **surroundings.inside.place.shim_environment()}
    begun = Begun()
    try:
        argv = _supervised(surroundings, command, begun.writer) if supervised else argv
        process = SupervisedProcess.start(
            argv,
            environment=variables,
            directory=surroundings.directory,
            on_output=log.write,
            records=sandbox.node.records,
            what=f"{namespace_of(launch.pod)}/{name_of(launch.pod)}/{launch.container['name']}",
            last_word=signal.SIGQUIT if supervised else signal.SIGKILL,
            stdin=_stdin(launch.container),
            kept=[begun.writer] if supervised else [],
        )
    finally:
        begun.watch()
    return ProcessRun(process, command, surroundings, begun.done)


def _stdin(container: Obj) -> Stdin:
    if container.get("tty"):
        return Stdin.TERMINAL
    return Stdin.PIPE if container.get("stdin") else Stdin.NONE


def _is_ours(command: ProcessCommand) -> bool:
    """Whether it is Python that the shim is enough for: our own modules start no other program."""
    return list(command.argv[:2]) == [sys.executable, "-m"] and command.argv[2].startswith("labkit.")


def _has_own_files(launch: Launch, command: ProcessCommand) -> bool:
    """Whether it must find files, or a folder, at a place that only it has."""
    mounted = [str(each["name"]) for each in launch.container.get("volumeMounts") or []]
    has_volumes = any(not name.startswith(volumes.SPECIAL) for name in mounted)
    has_volumes = has_volumes or last_words.has_own_path(launch.container)
    return has_volumes or bool(command.folders) or bool(launch.container.get("workingDir"))


def _supervised(surroundings: Surroundings, command: ProcessCommand, begun: int) -> list[str]:
    """As any other program runs; NoProgram where there is none of that name."""
    inside = replace(surroundings.inside, is_container=True, begun=begun)
    directory = str(surroundings.directory)
    program = find_program(command.argv[0], surroundings.environment, directory, inside.mounts)
    return command_line(inside, program, command.argv)


def _surroundings(sandbox: Sandbox, launch: Launch, command: ProcessCommand) -> Surroundings:
    """Make the container's folder, and say what programs find in it."""
    _write_files(launch.run_dir, command)
    variables = _environment(sandbox, launch, command)
    directory = command.directory or launch.run_dir
    needed = [command.directory, Path(command.argv[0]).parent] if command.directory else []
    named = (word for words in command.programs.values() for word in words)
    needed += [Path(word) for word in named if word.startswith("/")]
    inside = sandbox.inside(launch.container, needed)
    taken = {each.target for each in inside.mounts}
    message = last_words.mount(launch.container, launch.run_dir)
    of_image = [each for each in (message, *_folders(launch.run_dir, command)) if each.target not in taken]
    return Surroundings(variables, directory, replace(inside, mounts=[*of_image, *inside.mounts]))


def _folders(directory: Path, command: ProcessCommand) -> list[Mount]:
    """Where the image's folders are, and where the container sees them."""
    return [Mount(str(_folder(directory, target)), target) for target in command.folders]


def _folder(directory: Path, target: str) -> Path:
    return directory / FOLDERS / target.lstrip("/")


def _write_files(directory: Path, command: ProcessCommand) -> None:
    """Make *directory* anew, with the files and programs *command* wants in it."""
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True, mode=0o700)
    for name, content in command.files.items():
        (directory / name).write_text(content)
    for target, contents in command.folders.items():
        _folder(directory, target).mkdir(parents=True, exist_ok=True)
        for name, content in contents.items():
            (_folder(directory, target) / name).write_text(content)
    for name, words in command.programs.items():
        program = directory / PROGRAMS / name
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {shlex.join(words)} "$@"\n')
        program.chmod(0o700)


def _environment(sandbox: Sandbox, launch: Launch, command: ProcessCommand) -> dict[str, str]:
    """All variables of the process: never the daemon's own."""
    variables = {
        "PATH": f"{Path(sys.executable).parent}:{os.defpath}",
        "HOME": str(launch.run_dir),
        "HOSTNAME": name_of(launch.pod),
        **({"TERM": "xterm"} if launch.container.get("tty") else {}),
        **sandbox.trust_environment(),
        **launch.environment,
        **command.environment,
    }
    if command.programs:
        variables["PATH"] = f"{launch.run_dir / PROGRAMS}:{variables['PATH']}"
    return variables
