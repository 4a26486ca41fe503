#!/usr/bin/python3
"""Sends files between slixmpp clients through the proxy of a running server.

Environment: see bytestreams, which starts the server. The accounts romeo, juliet and nurse at localhost are there.
Prints a line for each test and exits with 1 when one failed.
"""

import asyncio
import contextlib
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


def sample(size):
    return random.Random(size).randbytes(size)


async def carry(conn, receiver, size):
    """Sends a file into one end of a stream; it comes out whole at the other."""
    data = sample(size)
    _, got = await asyncio.gather(send(conn, data), receiver.receive(size))
    assert got == data, "another file came"


@contextlib.contextmanager
def quota(which, limit):
    """The limit holds for nurse until the block ends."""
    ctl("quota", "set", "nurse@localhost", which, limit)
    try:
        yield
    finally:
        ctl("quota", "set", "nurse@localhost", which, "inherit")


@contextlib.contextmanager
def refused(condition):
    """What is in the block is answered with that error."""
    try:
        yield
    except IqError as e:
        assert e.condition == condition, e.condition
    else:
        raise AssertionError("it was allowed")


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
    one, _ = await stream(a, b)
    await carry(one, b, 20_000_003)


@test
async def file_to_requester():
    a, b = await pair()
    _, other = await stream(a, b)
    await carry(other, a, 7_000_001)


@test
async def files_both_ways_at_once():
    a, b = await pair()
    one, other = await stream(a, b)
    await asyncio.gather(carry(one, b, 9_000_001), carry(other, a, 8_000_001))


@test
async def the_close_is_seen():
    a, b = await pair()
    one, _ = await stream(b, a)
    await carry(one, a, 1_000_001)
    one.transport.close()
    await asyncio.wait_for(a.closed.wait(), LIMIT)


@test
async def in_the_ledger():
    before = ctl("ledger", "export").count("\n")
    a, b = await pair()
    one, _ = await stream(a, b)
    await carry(one, b, 123_456)
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
    with quota("file", "2MB"):
        one, _ = await stream(a, b)
        with contextlib.suppress(Exception):  # the proxy may have closed before all was handed over
            await send(one, sample(5_000_000))
        await asyncio.wait_for(b.closed.wait(), LIMIT)
        assert len(b.got) == 2 << 20, f"{len(b.got)} bytes came"
        for c in (a, b):
            m = await asyncio.wait_for(c.errors.get(), LIMIT)
            assert str(m["from"]) == SERVICE and "limit for one transfer" in m["error"]["text"], m


@test
async def denied():
    a, b = await pair("nurse", "juliet")
    with quota("user", "deny"), refused("not-allowed"):
        await stream(a, b)


# XEP-0260: either party may offer the proxy. slixmpp does not know it, so the sockets are opened by hand.


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
    name = hashlib.sha1((sid + offers.boundjid.full + other.boundjid.full).encode()).hexdigest()
    there = await join(name)  # the party that was offered the candidate tries it
    here = await join(name)
    with refused("item-not-found"):  # who did not offer it cannot activate it
        await activate(other, sid, offers.boundjid.full)
    await activate(offers, sid, other.boundjid.full)
    (r, w) = (there[0], here[1]) if sender_offers else (here[0], there[1])
    data = sample(11_000_003)

    async def write():
        w.write(data)
        await w.drain()
        w.write_eof()

    _, got = await asyncio.gather(write(), r.readexactly(len(data)))
    assert got == data, "another file came"
    assert await r.read(1) == b"", "the end did not come"
    for _, writer in (here, there):
        writer.close()


@test
async def jingle_initiator_offers():
    await jingle(*await pair(), sender_offers=True)


@test
async def jingle_responder_offers():
    a, b = await pair()
    await jingle(b, a, sender_offers=False)


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
