"""Writes down every connection that the interpreter opens, and every name that it looks up, to the file HEARD names."""

import os
import sys

WATCHED = {
    "socket.connect", "socket.sendto", "socket.sendmsg", "socket.getaddrinfo", "socket.gethostbyname",
    "socket.gethostbyaddr", "sqlite3.connect",
}  # fmt: skip


FILE = os.open(os.environ["HEARD"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def listen(event, args, write=os.write):  # what is replaced later is not asked
    if event not in WATCHED:
        return
    if event == "sqlite3.connect" and ("memory" in str(args[0]) or not args[0]):
        return
    write(FILE, f"{event} {args[-1] if event.startswith('socket.conn') else args}\n".encode())


sys.addaudithook(listen)
