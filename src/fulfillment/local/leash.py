"""
Started in front of every process of the local stack: ties its life to the supervisor's, then becomes that process.

Run as a script (`python leash.py PARENT SIGNAL USER COMMAND…`), because code between fork and exec is not safe beside
the threads of the Temporal SDK. It imports the standard library only, so that it costs some 20 ms.
"""

import ctypes
import os
import pwd
import sys

_PR_SET_PDEATHSIG = 1


def main(parent: int, signal_on_orphaning: int, user: str, *command: str) -> None:
    """
    Become `command`, as `user` unless that is empty.

    On Linux the kernel sends the signal when the parent dies; elsewhere an orphan lives on.
    """
    if user:
        entry = pwd.getpwnam(user)
        os.initgroups(user, entry.pw_gid)
        os.setgid(entry.pw_gid)
        os.setuid(entry.pw_uid)
    if sys.platform == "linux":
        # After the change of user, which would undo it.
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_on_orphaning, 0, 0, 0)
        if os.getppid() != parent:
            sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - that is what it is for


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), *sys.argv[3:])
