"""What those parts of run have in common that show a linnet to the programs of a NOC: lines that run counts, a folder of
their own with what is started in it and ended after it, and a linnet with an agent."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

NOC = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../firmware/noc")


def run(*command, **more):
    return subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=600, **more)


def install(packages, missing):
    """Installs packages as long as missing() names something; returns what it names in the end."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    env = dict(os.environ, DEBIAN_FRONTEND="noninteractive")
    for update in (False, True):
        if not missing():
            return []
        print("installing", *packages, flush=True)
        if update:
            run("apt-get", "update", "-qq", env=env)
        run("apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages, env=env)
    return missing()


def ports(n):
    """Finds ports that nobody has, of TCP and of UDP."""
    sockets = []
    while len(sockets) < 2 * n:
        tcp, udp = socket.socket(), socket.socket(type=socket.SOCK_DGRAM)
        tcp.bind(("127.0.0.1", 0))
        try:
            udp.bind(tcp.getsockname())
            sockets += tcp, udp
        except OSError:
            tcp.close()
            udp.close()
    found = [s.getsockname()[1] for s in sockets[::2]]
    for s in sockets:
        s.close()
    return found


class Part:
    """One part, which says "NAME: N passed, N failed, N skipped" at its end. patience is how many seconds it waits for
    what it started."""

    def __init__(self, name, patience):
        self.name, self.patience = name, patience
        self.passed = self.failed = self.skipped = 0
        self.work = tempfile.mkdtemp()
        os.chmod(self.work, 0o755)  # not all that is started in it is root
        self.children = []

    def ok(self, name):
        self.passed += 1
        print("ok  ", self.name, name, flush=True)

    def fail(self, name, *why):
        self.failed += 1
        print("FAIL", self.name, name + ":", *why, flush=True)

    def skip(self, why):
        self.skipped += 1
        print("skip", self.name + ":", why, flush=True)

    def check(self, name, faults):
        """Judges a test by the list of what was wrong."""
        if faults:
            self.fail(name, "; ".join(str(f) for f in faults[:8]), "and %d more" % (len(faults) - 8) if len(faults) > 8 else "")
        else:
            self.ok(name)

    def path(self, name):
        return os.path.join(self.work, name)

    def read(self, name):
        with open(self.path(name)) as f:
            return f.read()

    def write(self, name, text):
        """Writes a file of the folder and returns its path."""
        with open(self.path(name), "w") as f:
            f.write(text)
        return self.path(name)

    def start(self, *command, log, **more):
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=open(self.path(log), "a"), stderr=subprocess.STDOUT,
                                 start_new_session=True, **more)
        self.children.append(child)

    def wait_for(self, what):
        """Calls what until it returns something."""
        end = time.monotonic() + self.patience
        while time.monotonic() < end:
            try:
                if found := what():
                    return found
            except (OSError, ValueError, subprocess.TimeoutExpired):
                pass
            time.sleep(0.2)
        return None

    def linnet(self, binary, xmpp, agent, more=""):
        """Starts a linnet with its log in linnet.log; returns the directory of its data. The user noc and the community
        office may ask its agent."""
        config = self.write("linnet.toml", """domain = "localhost"
services = ["snmp", "watch"]
[c2s]
listen = ["127.0.0.1:%d"]
direct_tls = []
[snmp]
listen = ["127.0.0.1:%d"]
[snmp.user.noc]
auth_secret = "noc-secret-1"
priv_secret = "noc-secret-2"
[snmp.community.office]
name = "office"
sources = ["127.0.0.1"]
""" % (xmpp, agent) + more)
        self.start(binary, "run", "-quiet", "-config", config, "-data", self.path("data"), log="linnet.log")
        return self.path("data")

    def main(self, tests):
        """Runs tests, ends what they started, says how many passed, and exits."""
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
        try:
            tests()
        finally:
            # One after the other, the last first: a server without its database would wait for it.
            for child in reversed(self.children):
                child.send_signal(signal.SIGINT if "postgres" in str(child.args[0]) else signal.SIGTERM)
                try:
                    child.wait(30)
                except subprocess.TimeoutExpired:
                    pass
                try:
                    os.killpg(child.pid, signal.SIGKILL)  # and whom it has left behind
                except ProcessLookupError:
                    pass
            shutil.rmtree(self.work, ignore_errors=True)
        print("%s: %d passed, %d failed, %d skipped" % (self.name, self.passed, self.failed, self.skipped))
        sys.exit(self.failed > 0)
