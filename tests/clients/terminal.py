"""Runs a program at a pseudo-terminal, for a test that types and looks.

The arguments are rows, columns and the program with its own. Each line of standard input is a list in JSON, and each is
answered with an object in JSON:

  ["type", TEXT]            sends keys
  ["wait", PATTERN, SECONDS]  reads until the pattern is in what came since the last wait; gives that as `raw`, and as
                            `text` without what controls the terminal
  ["end", SECONDS]          waits until the program ends; gives its exit code as `code`, and what it still said

What does not come in time is an `error`, with all that came. Knows nothing of the program.
"""

import fcntl
import json
import os
import pty
import re
import select
import signal
import struct
import sys
import termios
import time

CONTROLS = re.compile(r"\x1b\[[0-9;?]*[a-zA-Z]|\x1b[=>]|[\x07\r]")

# What is drawn in several writes is looked at when it is whole.
SETTLED = 0.15


def start(rows, columns, program):
    pid, terminal = pty.fork()
    if pid == 0:
        fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        os.execvp(program[0], program)
    return pid, terminal


def plain(raw):
    return CONTROLS.sub("", raw.decode("utf-8", "replace"))


class Terminal:
    def __init__(self, pid, terminal):
        self.pid, self.terminal = pid, terminal
        self.unseen = b""

    def more(self, until):
        """Reads what there is; false at the end, or when nothing comes in time."""
        ready, _, _ = select.select([self.terminal], [], [], max(0, until - time.monotonic()))
        if not ready:
            return False
        try:
            got = os.read(self.terminal, 65536)
        except OSError:
            return False
        self.unseen += got
        return bool(got)

    def seen(self):
        raw, self.unseen = self.unseen, b""
        return {"raw": raw.decode("utf-8", "replace"), "text": plain(raw)}

    def type(self, text):
        keys = text.encode()
        while keys:
            keys = keys[os.write(self.terminal, keys):]
        return {}

    def wait(self, pattern, seconds):
        until = time.monotonic() + seconds
        while True:
            if re.search(pattern, plain(self.unseen), re.DOTALL):
                if not self.more(time.monotonic() + SETTLED):
                    return self.seen()
            elif not self.more(until):
                return {"error": f"no {pattern!r}", **self.seen()}

    def end(self, seconds):
        until = time.monotonic() + seconds
        while self.more(until):
            pass
        while time.monotonic() < until:
            ended, status = os.waitpid(self.pid, os.WNOHANG)
            if ended:
                return {"code": os.waitstatus_to_exitcode(status), **self.seen()}
            time.sleep(0.05)
        os.kill(self.pid, signal.SIGKILL)
        return {"error": "it does not end", **self.seen()}


def main():
    rows, columns, *program = sys.argv[1:]
    terminal = Terminal(*start(int(rows), int(columns), program))
    for line in sys.stdin:
        what, *arguments = json.loads(line)
        print(json.dumps(getattr(terminal, what)(*arguments)), flush=True)


main()
