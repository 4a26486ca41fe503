#!/usr/bin/python3
"""Records what a manager says to an agent, and says it again.

snmp_relay.py record PORT AGENT FILE   passes datagrams on, and keeps the last one of a manager
snmp_relay.py replay AGENT FILE        sends it and tells what kind of answer came
"""
import socket
import sys

NOT_IN_TIME_WINDOWS = bytes([0x06, 0x0a, 0x2b, 6, 1, 6, 3, 15, 1, 1, 2, 0])


def record(port, agent, file):
    front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    front.bind(("127.0.0.1", int(port)))
    back = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    back.settimeout(20)
    while True:
        request, manager = front.recvfrom(65536)
        with open(file, "wb") as f:
            f.write(request)
        back.sendto(request, ("127.0.0.1", int(agent)))
        front.sendto(back.recv(65536), manager)


def replay(agent, file):
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(20)
    with open(file, "rb") as f:
        s.sendto(f.read(), ("127.0.0.1", int(agent)))
    answer = s.recv(65536)
    # A Report about the clock is authentic and not encrypted; a Response to this message is encrypted.
    print("Report notInTimeWindows" if NOT_IN_TIME_WINDOWS in answer else "Response")


if sys.argv[1] == "record":
    record(*sys.argv[2:])
else:
    replay(*sys.argv[2:])
