"""`scrcl` for the tutorials: all commands of a build are answered by one process.

A command of its own spends most of its time on imports and on compiling UMAP. Here a small script of
the name ``scrcl`` hands its arguments, its folder and its output over a socket to a process that has
all that behind it. The shell cells of a tutorial cannot tell the difference.

It is run by docs/generate.py: ``python docs/commands.py SOCKET`` answers until it is ended.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CLIENT = """\
#!{python} -SE
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    told = json.dumps({{"argv": sys.argv[1:], "folder": os.getcwd()}}).encode()
    socket.send_fds(server, [len(told).to_bytes(4, "big")], [1, 2])
    server.sendall(told)
    sys.exit(int(server.recv(16) or 1))
"""
_SECONDS_TO_START = 120


@contextmanager
def warm_commands(folder: Path) -> Iterator[None]:
    """Answer ``scrcl`` while the block runs; ``folder`` gets the script, for the front of PATH."""
    address = folder / "socket"
    server = subprocess.Popen([sys.executable, __file__, str(address)])
    try:
        for _ in range(10 * _SECONDS_TO_START):
            if address.exists() or server.poll() is not None:
                break
            time.sleep(0.1)
        script = folder / "scrcl"
        script.write_text(_CLIENT.format(python=sys.executable, address=str(address)))
        script.chmod(0o755)
        yield
    finally:
        server.terminate()
        server.wait()


def serve(address: str) -> None:
    """Answer one command after the other."""
    from scrcl.cli import main  # noqa: PLC0415  (the builder itself needs none of it)

    own = [os.dup(stream) for stream in (1, 2)]
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        while True:
            client, _ = listener.accept()
            with client:
                size, streams, *_ = socket.recv_fds(client, 4, 2)
                told = json.loads(client.recv(int.from_bytes(size, "big"), socket.MSG_WAITALL))
                _redirect(streams)
                os.chdir(told["folder"])
                try:
                    code = main(told["argv"])
                except SystemExit as done:  # of --help
                    code = int(done.code or 0)
                finally:
                    _redirect([os.dup(stream) for stream in own])
                client.sendall(str(code).encode())


def _redirect(streams: list[int]) -> None:
    """Let output and errors go to these descriptors, which are closed."""
    sys.stdout.flush()
    sys.stderr.flush()
    for place, stream in enumerate(streams, start=1):
        os.dup2(stream, place)
        os.close(stream)


if __name__ == "__main__":
    serve(sys.argv[1])
