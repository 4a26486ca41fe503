#!/usr/bin/python3
"""Has the distribution's Zabbix import firmware/noc/zabbix/linnet.yaml and poll with it, by SNMPv3, a linnet that it
starts: database, server and the frontend's API are all its own, in a temporary folder.

    tinytests/interop/zabbix_test.py bin/linnet

run calls it. It installs what is missing where that is possible, prints a line for each test and at the end
"zabbix: N passed, N failed, N skipped". It needs root, because PostgreSQL refuses to run as root and has to be given
another user.
"""

import glob
import gzip
import json
import os
import shutil
import socket
import sys
import urllib.request

sys.dont_write_bytecode = True  # nothing is left behind in the tree
from noc_part import NOC, Part, install, ports, run

TEMPLATE = os.path.join(NOC, "zabbix/linnet.yaml")
PACKAGES = ["zabbix-server-pgsql", "zabbix-frontend-php", "postgresql", "php-pgsql", "php-cli", "php-curl"]

part = Part("zabbix", patience=240)


def low_port():
    """Zabbix listens on ports below 32768 only."""
    for port in range(20000 + os.getpid() % 10000, 32768):
        with socket.socket() as s:
            if s.connect_ex(("127.0.0.1", port)):
                return port


def missing():
    found = {"zabbix_server": shutil.which("zabbix_server"), "PostgreSQL": glob.glob("/usr/lib/postgresql/*/bin/initdb"),
             "Zabbix's frontend": os.path.exists("/usr/share/zabbix/api_jsonrpc.php"),
             "PHP with PostgreSQL": shutil.which("php") and "pgsql" in run("php", "-m").stdout}
    return [what for what in found if not found[what]]


def database(port):
    """Makes a database with Zabbix's tables."""
    programs = os.path.dirname(sorted(glob.glob("/usr/lib/postgresql/*/bin/initdb"))[-1])
    data = part.path("postgres")
    os.mkdir(data)
    shutil.chown(data, "postgres", "postgres")
    done = run(programs + "/initdb", "-A", "trust", "-U", "zabbix", "-E", "UTF8", "--locale=C.UTF-8", data, user="postgres", cwd="/")
    if done.returncode:
        return done.stderr
    # Nothing here has to survive a power cut.
    part.start(programs + "/postgres", "-D", data, "-p", str(port), "-k", data, "-c", "listen_addresses=127.0.0.1", "-c", "fsync=off",
               "-c", "full_page_writes=off", "-c", "synchronous_commit=off", log="postgres.log", user="postgres", cwd="/")
    sql = lambda *args, **more: run("psql", "-h", "127.0.0.1", "-p", str(port), "-U", "zabbix", "-q", "-v", "ON_ERROR_STOP=1", *args, **more)
    if not part.wait_for(lambda: sql("postgres", "-c", "select 1").returncode == 0):
        return "PostgreSQL does not answer"
    done = sql("postgres", "-c", "create database zabbix")
    for name in ("schema", "images", "data"):
        with gzip.open("/usr/share/zabbix-server-pgsql/%s.sql.gz" % name, "rt") as f:
            done = sql("zabbix", input=f.read())
            if done.returncode:
                return done.stderr[-500:]
    return ""


class API:
    """The JSON-RPC of the frontend."""

    def __init__(self, port):
        self.url = "http://127.0.0.1:%d/api_jsonrpc.php" % port
        self.token = None

    def __call__(self, method, list=None, **params):
        body = {"jsonrpc": "2.0", "method": method, "params": list or params, "id": 1, "auth": self.token}
        request = urllib.request.Request(self.url, json.dumps(body).encode(), {"Content-Type": "application/json-rpc"})
        with urllib.request.urlopen(request, timeout=120) as answer:
            said = json.load(answer)
        if "error" in said:
            raise ValueError(said["error"].get("data", said["error"]))
        return said["result"]


def tests():
    if os.geteuid() != 0:
        part.skip("it needs root, to give PostgreSQL a user of its own")
        return
    if lacking := install(PACKAGES, missing):
        part.fail("programs", "not here, and could not be installed:", *lacking)
        return
    binary = os.path.realpath(sys.argv[1])
    agent, xmpp, postgres, web = ports(4)
    server = low_port()

    part.linnet(binary, xmpp, agent)
    if why := database(postgres):
        part.fail("the database", why)
        return
    frontend = part.path("zabbix")
    shutil.copytree("/usr/share/zabbix", frontend)
    # Debian's looks for its configuration in /etc; this copy has one of its own.
    path, config = os.path.join(frontend, "include/classes/core/CConfigFile.php"), os.path.join(frontend, "conf/zabbix.conf.php")
    with open(path) as f:
        text = f.read()
    with open(path, "w") as f:
        f.write(text.replace("'/etc/zabbix/zabbix.conf.php'", "'%s'" % config))
    with open(config, "w") as f:
        f.write("""<?php
$DB = ['TYPE' => 'POSTGRESQL', 'SERVER' => '127.0.0.1', 'PORT' => '%d', 'DATABASE' => 'zabbix', 'USER' => 'zabbix', 'PASSWORD' => '',
       'SCHEMA' => '', 'ENCRYPTION' => false, 'DOUBLE_IEEE754' => true];
$ZBX_SERVER = '127.0.0.1'; $ZBX_SERVER_PORT = '%d'; $ZBX_SERVER_NAME = ''; $IMAGE_FORMAT_DEFAULT = IMAGE_FORMAT_PNG;
""" % (postgres, server))
    part.start("php", "-d", "max_execution_time=300", "-d", "memory_limit=512M", "-d", "post_max_size=16M", "-S", "127.0.0.1:%d" % web, "-t", frontend, log="php.log")
    api = API(web)
    api.token = part.wait_for(lambda: api("user.login", username="Admin", password="zabbix"))
    if not api.token:
        part.fail("the API", "nobody can log in")
        return

    everything = {"createMissing": True, "updateExisting": True}
    with open(TEMPLATE) as f:
        try:
            api("configuration.import", format="yaml", source=f.read(),
                rules={"templates": everything, "items": everything, "discoveryRules": everything, "groups": {"createMissing": True}})
        except ValueError as why:
            part.fail("import", why)
            return
    part.ok("imports the template")

    template = api("template.get", filter={"host": "linnet by SNMP"})[0]["templateid"]
    group = api("hostgroup.create", name="boxes")["groupids"][0]
    details = {"version": 3, "bulk": 1, "securityname": "noc", "securitylevel": 2, "authprotocol": 3, "authpassphrase": "noc-secret-1",
               "privprotocol": 1, "privpassphrase": "noc-secret-2", "contextname": ""}
    box = api("host.create", host="box", groups=[{"groupid": group}], templates=[{"templateid": template}],
              interfaces=[{"type": 2, "main": 1, "useip": 1, "ip": "127.0.0.1", "dns": "", "port": str(agent), "details": details}])["hostids"][0]
    # Tables are looked through when the template says, which is in ten minutes: now is better.
    config = part.write("server.conf", """DBHost=127.0.0.1
DBPort=%d
DBName=zabbix
DBUser=zabbix
ListenPort=%d
ListenIP=127.0.0.1
AllowRoot=1
LogType=console
PidFile=%s/server.pid
SocketDir=%s
CacheUpdateFrequency=5
StartDiscoverers=0
StartPingers=0
StartHTTPPollers=0
""" % (postgres, server, part.work, part.work))
    part.start("zabbix_server", "-f", "-c", config, log="server.log")

    def items(found):
        return {i["key_"]: i for i in api("item.get", hostids=[box], output=["key_", "lastvalue", "state", "error", "lastclock"]) if found(i)}

    def polled():
        seen = items(lambda i: i["lastclock"] != "0")
        return seen if "linnet.uptime" in seen and any(k.startswith("linnet.serviceUp[") for k in seen) else None

    def discover():
        for rule in api("discoveryrule.get", hostids=[box], output=["itemid"]):
            try:
                api("task.create", [{"type": 6, "request": {"itemid": rule["itemid"]}}])
            except ValueError:
                pass
        return True

    part.wait_for(lambda: items(lambda i: i["key_"] == "linnet.uptime" and i["lastclock"] != "0"))
    discover()
    seen = part.wait_for(polled)
    if not seen:
        part.fail("poll", "no uptime or no service after %d s" % part.patience, str(items(lambda i: i["state"] == "1"))[:600])
        print(part.read("server.log")[-1500:])
        return
    part.ok("polls by SNMPv3 (%d items)" % len(seen))
    # The rest by SNMPv2c: this Zabbix makes a new session of SNMPv3 for each poll, dozens at once in the beginning, and
    # the agent answers ten a second that are not authenticated yet. It gets there, but that takes long.
    face = api("hostinterface.get", hostids=[box])[0]["interfaceid"]
    api("hostinterface.update", interfaceid=face, details={"version": 2, "bulk": 1, "community": "office"})
    # A rate needs two polls, which are a minute apart.
    part.wait_for(lambda: not items(lambda i: i["lastclock"] == "0" and i["state"] == "0"))
    up = [k for k, i in items(lambda i: True).items() if k.startswith("linnet.serviceUp[") and i["lastvalue"] == "1"]
    if any("c2s" in k for k in up) and float(seen["linnet.uptime"]["lastvalue"]) > 0:
        part.ok("discovers the rows of tables")
    else:
        part.fail("rows", up)
    wrong = {k: i["error"] or "never polled" for k, i in items(lambda i: i["state"] == "1" or i["lastclock"] == "0").items()}
    if wrong:
        part.fail("items", str(wrong)[:800])
    else:
        part.ok("has a value of every item (%d)" % len(items(lambda i: True)))


part.main(tests)
