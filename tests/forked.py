"""`python`, for `-m snakemake` and for scripts, as a fork of a process that has imported what they
need; see forking.py. Whatever else is asked for, the real one does.

Its own arguments, before those: the socket of that process, the real python.
"""

import marshal
import os
import signal
import sys

address, python, *arguments = sys.argv[1:]
if arguments[:2] == ["-m", "snakemake"] or (arguments and arguments[0].endswith(".py")):
    import array
    import socket

    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as server:
        server.connect(address)
        os.umask(umask := os.umask(0o77))
        call = dict(os.environ), os.getcwd(), umask, arguments
        socket.send_fds(server, [marshal.dumps(call)], [0, 1, 2])
        (status,) = array.array("q", server.recv(8))
    if status >= 0:
        os._exit(status)
    elif status > -1000:
        if status != -signal.SIGKILL:
            signal.signal(-status, signal.SIG_DFL)
        os.kill(os.getpid(), -status)
os.execv(python, [python, *arguments])
