"""Everything is imported, and the demo runs, where the functions and modules are missing that only POSIX has."""

from __future__ import annotations

import json
import subprocess
import sys

MODULES = "fcntl grp posix_ipc pty pwd readline resource syslog termios tty"
OF_OS = (
    "chown chroot ctermid fchmod fchown fork forkpty fstatvfs getegid geteuid getgid getgroups getloadavg getpgid "
    "getpgrp getpriority getsid getuid kill killpg lchown mkfifo mknod nice openpty pipe2 posix_fadvise posix_spawn "
    "posix_spawnp pread pwrite readv register_at_fork sched_getaffinity sched_setaffinity sched_yield sendfile setgid "
    "setpgid setpriority setsid setuid statvfs sync sysconf ttyname uname wait wait3 wait4 waitid waitpid writev"
)
OF_SIGNAL = (
    "SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGPROF SIGQUIT SIGSTOP SIGTSTP SIGUSR1 SIGUSR2 SIGVTALRM alarm "
    "getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt sigpending sigtimedwait sigwait"
)
WITHOUT = """
import importlib, json, os, pkgutil, signal, sys, time
# These choose by sys.platform what they import: before anything is taken away.
import asyncio, concurrent.futures.process, langchain.agents, llama_index.core, multiprocessing.util, pytest, subprocess

modules, of_os, of_signal = (words.split() for words in json.loads(sys.argv[1]))

class Absent:
    def find_spec(self, name, path=None, target=None):
        if name in modules:
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)

assert not [name for name in sys.modules if "dbx_gateway" in name]
sys.meta_path.insert(0, Absent())
for name in modules:
    sys.modules.pop(name, None)
for home, names in ((os, of_os), (signal, of_signal), (time, ["tzset"])):
    for name in names:
        vars(home).pop(name, None)

imported = []
for package in ("dbx_gateway", "langchain_dbx_gateway", "llama_index_dbx_gateway"):
    path = importlib.import_module(package).__path__
    for module in pkgutil.walk_packages(path, package + ".", onerror=None):
        importlib.import_module(module.name)
        imported.append(module.name)

from dbx_gateway.cli import main
status = main(["demo", "--family", "claude"])
print(json.dumps([len(imported), status]))
"""


def test_everything_is_imported_and_the_demo_runs_without_what_only_posix_has():
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, json.dumps([MODULES, OF_OS, OF_SIGNAL])],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    *shown, found = done.stdout.splitlines()
    imported, status = json.loads(found)
    assert imported > 200
    assert status == 0
    assert shown[-1] == "6 of 6 rows ok"
