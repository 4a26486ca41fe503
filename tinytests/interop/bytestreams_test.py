#!/usr/bin/python3
"""Sends files between slixmpp clients through the proxy of a running server.

Environment: see bytestreams, which starts the server. The accounts romeo, juliet and nurse at localhost are there.
Prints a line for each test and exits with 1 when one failed.
"""

import asyncio
import hashlib
import os
import random
import subprocess
import sys
import traceback
import uuid

import slixmpp
from slixmpp.exceptions import IqError
from slixmpp.xmlstream import ET

HOST = os.environ["INTEROP_HOST"]
PORT = int(os.environ["INTEROP_PORT"])
PROXY_PORT = int(os.environ["INTEROP_PROXY_PORT"])
CA = os.environ["INTEROP_CA"]
CTL = os.environ["INTEROP_CTL"].split()
PASSWORD = os.environ["INTEROP_PASSWORD"]
SERVICE = "proxy.localhost"
SPACE = "http://jabber.org/protocol/bytestreams"
LIMIT = 60

TESTS = []
CLIENTS = []


def test(f):
    TESTS.append(f)
    return f


def ctl(*args):
    return subprocess.run(CTL + list(args), check=True, capture_output=True, text=True).stdout


class Client(slixmpp.ClientXMPP):
    """One client; what comes through the proxy is gathered."""

    def __init__(self, name):
        super().__init__(name + "@localhost/" + uuid.uuid4().hex[:8], PASSWORD)
        CLIENTS.append(self)
        for plugin in ("xep_0030", "xep_0065", "xep_0199"):
            self.register_plugin(plugin)
        self["xep_0065"].auto_accept = True
        self.ca_certs = CA
        self.auto_reconnect = False
        self.got = bytearray()
        self.more = asyncio.Event()
        self.started = asyncio.Event()
        self.closed = asyncio.Event()
        self.errors = asyncio.Queue()
        self.presences = asyncio.Queue()
        self.add_event_handler("presence_available", lambda p: self.presences.put_nowait(str(p["from"])))
        self.add_event_handler("session_start", lambda e: self.started.set())
        self.add_event_handler("socks5_data", self._data)
        self.add_event_handler("socks5_closed", lambda e: self.closed.set())
        self.add_event_handler("message_error", self.errors.put_nowait)
        # See slixmpp_test.py: this version does not know the server's channel bindings.
        feature = self["feature_mechanisms"]
        default = feature._default_credentials
        feature.sasl_callback = lambda need, want: {**default(need, want - {"channel_binding"}), "channel_binding": None}

    def _data(self, data):
        self.got += data
        self.more.set()

    async def start(self):
        self.connect((HOST, PORT))
        await asyncio.wait_for(self.started.wait(), LIMIT)
        self.send_presence()
        return self

    async def seen(self, jid):
        while await self.presences.get() != jid:
            pass

    async def receive(self, size):
        while len(self.got) < size:
            self.more.clear()
            await asyncio.wait_for(self.more.wait(), LIMIT)
        data, self.got = bytes(self.got), bytearray()
        return data


async def pair(*names):
    """Two clients that know of each other: the server lets nobody else send requests to a client."""
    a, b = [await Client(name).start() for name in names or ("romeo", "juliet")]
    for one, other in ((a, b), (b, a)):
        one.send_presence(pto=other.boundjid.full)
        await asyncio.wait_for(other.seen(one.boundjid.full), LIMIT)
    return a, b


async def send(conn, data):
    for at in range(0, len(data), 65536):
        await conn.write(data[at:at + 65536])


def digest(data):
    return hashlib.sha256(data).hexdigest()


def sample(size):
    return random.Random(size).randbytes(size)


async def stream(a, b):
    """A stream that a has requested, and both ends of it."""
    one = await asyncio.wait_for(a["xep_0065"].handshake(b.boundjid.full), LIMIT)
    assert one is not None, "no stream"
    (sid,) = [s for s, c in a["xep_0065"]._sessions.items() if c is one]
    return one, b["xep_0065"].get_socket(sid)


@test
async def discover():
    a, _ = await pair()
    found = await a["xep_0065"].discover_proxies()
    assert {str(j): (h, int(p)) for j, (h, p) in found.items()} == {SERVICE: (HOST, PROXY_PORT)}, found


@test
async def file_to_target():
    a, b = await pair()
    one, other = await stream(a, b)
    data = sample(20_000_003)
    await send(one, data)
    got = await b.receive(len(data))
    assert digest(got) == digest(data), "another file came"


@test
async def file_to_requester():
    a, b = await pair()
    one, other = await stream(a, b)
    data = sample(7_000_001)
    await send(other, data)
    got = await a.receive(len(data))
    assert digest(got) == digest(data), "another file came"


@test
async def files_both_ways_at_once():
    a, b = await pair()
    one, other = await stream(a, b)
    x, y = sample(9_000_001), sample(8_000_001)
    _, _, got, back = await asyncio.gather(send(one, x), send(other, y), b.receive(len(x)), a.receive(len(y)))
    assert digest(got) == digest(x) and digest(back) == digest(y), "other files came"


@test
async def other_one_requests():
    a, b = await pair()
    one, other = await stream(b, a)
    data = sample(1_000_001)
    await send(one, data)
    assert digest(await a.receive(len(data))) == digest(data), "another file came"
    one.transport.close()
    await asyncio.wait_for(a.closed.wait(), LIMIT)


@test
async def in_the_ledger():
    before = ctl("ledger", "export").count("\n")
    a, b = await pair()
    one, other = await stream(a, b)
    await send(one, sample(123_456))
    await b.receive(123_456)
    one.transport.close()
    await asyncio.wait_for(b.closed.wait(), LIMIT)
    for _ in range(600):
        lines = ctl("ledger", "export").splitlines()
        if any(f"{a.boundjid.full},{b.boundjid.full},123456,0," in line for line in lines):
            return
        await asyncio.sleep(0.1)
    raise AssertionError("not in the ledger:\n" + "\n".join(lines[before:]))


@test
async def limit_is_told_to_both():
    a, b = await pair("nurse", "juliet")
    ctl("quota", "set", "nurse@localhost", "file", "2MB")
    try:
        one, other = await stream(a, b)
        try:
            await send(one, sample(5_000_000))
        except Exception:
            pass  # the proxy may have closed before all was handed over
        await asyncio.wait_for(b.closed.wait(), LIMIT)
        assert len(b.got) == 2 << 20, f"{len(b.got)} bytes came"
        for c in (a, b):
            m = await asyncio.wait_for(c.errors.get(), LIMIT)
            assert str(m["from"]) == SERVICE and "limit for one transfer" in m["error"]["text"], m
    finally:
        ctl("quota", "set", "nurse@localhost", "file", "inherit")


@test
async def denied():
    a, b = await pair("nurse", "juliet")
    ctl("quota", "set", "nurse@localhost", "user", "deny")
    try:
        await stream(a, b)
    except IqError as e:
        assert e.condition == "not-allowed", e.condition
    else:
        raise AssertionError("it was allowed")
    finally:
        ctl("quota", "set", "nurse@localhost", "user", "inherit")


# XEP-0260: either party may offer the proxy. slixmpp does not know it, so the sockets are opened by hand.


def key(sid, offers, other):
    return hashlib.sha1((sid + offers + other).encode()).hexdigest()


async def join(name):
    r, w = await asyncio.open_connection(HOST, PROXY_PORT)
    w.write(b"\x05\x01\x00")
    assert await r.readexactly(2) == b"\x05\x00"
    w.write(b"\x05\x01\x00\x03\x28" + name.encode() + b"\x00\x00")
    assert await r.readexactly(47) == b"\x05\x00\x00\x03\x28" + name.encode() + b"\x00\x00"
    return r, w


async def activate(client, sid, target):
    iq = client.make_iq_set(ito=SERVICE)
    query = ET.SubElement(iq.xml, "{%s}query" % SPACE, {"sid": sid})
    ET.SubElement(query, "{%s}activate" % SPACE).text = target
    await asyncio.wait_for(iq.send(), LIMIT)


async def jingle(offers, other, sender_offers):
    sid = uuid.uuid4().hex
    name = key(sid, offers.boundjid.full, other.boundjid.full)
    there = await join(name)  # the party that was offered the candidate tries it
    here = await join(name)
    # Who did not offer it cannot activate it.
    try:
        await activate(other, sid, offers.boundjid.full)
    except IqError as e:
        assert e.condition == "item-not-found", e.condition
    else:
        raise AssertionError("the other party activated it")
    await activate(offers, sid, other.boundjid.full)
    (r, w) = (there[0], here[1]) if sender_offers else (here[0], there[1])
    data = sample(11_000_003)

    async def write():
        w.write(data)
        await w.drain()
        w.write_eof()

    _, got = await asyncio.gather(write(), r.readexactly(len(data)))
    assert digest(got) == digest(data), "another file came"
    assert await r.read(1) == b"", "the end did not come"
    for _, writer in (here, there):
        writer.close()


@test
async def jingle_initiator_offers():
    a, b = await pair()
    await jingle(a, b, True)


@test
async def jingle_responder_offers():
    a, b = await pair()
    await jingle(b, a, False)


async def main():
    only = sys.argv[1:]
    passed = failed = skipped = 0
    for f in TESTS:
        if only and f.__name__ not in only:
            continue
        try:
            await asyncio.wait_for(f(), 2 * LIMIT)
            print("ok   bytestreams " + f.__name__, flush=True)
            passed += 1
        except Exception:
            print("FAIL bytestreams " + f.__name__, flush=True)
            traceback.print_exc(file=sys.stdout)
            failed += 1
        for c in CLIENTS:
            for conn in c["xep_0065"]._sessions.values():  # its own close() calls a method that is not there
                conn.transport.close()
            c.end_session_on_disconnect = True
            try:
                await asyncio.wait_for(c.disconnect(), LIMIT)
            except Exception:
                c.abort()
        CLIENTS.clear()
    print(f"python: {passed} passed, {failed} failed, {skipped} skipped")
    return 1 if failed else 0


asyncio.set_event_loop(asyncio.new_event_loop())
sys.exit(asyncio.get_event_loop().run_until_complete(main()))
