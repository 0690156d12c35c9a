#!/usr/bin/env python3
"""A fat-tree for FRR's ospfd, to see what its SPF takes.

Plays one OSPF neighbour (RFC 2328) that is an edge router of a fat-tree, and floods it the router LSAs of the whole fat-tree. ospfd runs with a zebra of
its own in a network namespace; both are gone afterwards. Needs root and FRR. Prints how long the SPF took, each time it ran:

    python3 tests/peers/ospf_fat_tree.py --k 16

One SPF is from one root. `trunkline bench paths --k 16` has all next hops between all pairs.
"""

import argparse
import os
import re
import select
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import time

FRR = "/usr/lib/frr"
HELLO, DESCRIPTION, UPDATE, ACKNOWLEDGEMENT = 1, 2, 4, 5
INIT, MORE, MASTER = 4, 2, 1
ROUTER_LSA = 1
OPTIONS = 2
POINT_TO_POINT, STUB = 1, 3
ROOT, NEIGHBOUR = "10.0.0.1", "10.0.0.2"
ROOT_ID = "9.9.9.9"
UPDATE_OCTETS = 1_400


def address(number):
    return socket.inet_ntoa(struct.pack(">I", number))


def octets(text):
    return socket.inet_aton(text)


def internet_checksum(data):
    total = sum(struct.unpack(f">{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def fletcher(data, at):
    """RFC 905 annex B, as RFC 2328 section 12.1.7 has it: `at` is where the checksum stands, and is zero."""
    c0 = c1 = 0
    for octet in data:
        c0 = (c0 + octet) % 255
        c1 = (c1 + c0) % 255
    x = ((len(data) - at - 1) * c0 - c1) % 255 or 255
    y = (510 - c0 - x) % 255 or 255
    return x << 8 | y


def router_lsa(router_id, links, sequence):
    body = struct.pack(">BBH", 0, 0, len(links))
    for link_id, data, kind, metric in links:
        body += octets(link_id) + octets(data) + struct.pack(">BBH", kind, 0, metric)
    identity = octets(router_id)
    rest = struct.pack(">BB", OPTIONS, ROUTER_LSA) + identity + identity
    rest += struct.pack(">IHH", 0x8000_0000 + sequence, 0, 20 + len(body)) + body
    checksum = fletcher(rest, 14)
    return struct.pack(">H", 1) + rest[:14] + struct.pack(">H", checksum) + rest[16:]


def fat_tree(k):
    """The neighbours of each router: edges and aggregations of k pods, then cores."""
    half = k // 2
    edge = lambda pod, n: pod * k + n
    aggregation = lambda pod, n: pod * k + half + n
    core = lambda n: k * k + n
    neighbours = {}
    for pod in range(k):
        for a in range(half):
            below = [edge(pod, e) for e in range(half)]
            above = [core(a * half + c) for c in range(half)]
            for other in below + above:
                neighbours.setdefault(aggregation(pod, a), []).append(other)
                neighbours.setdefault(other, []).append(aggregation(pod, a))
    return neighbours


class Speaker:
    """The neighbour, router 0 of the fat-tree."""

    def __init__(self, interface, router_id):
        self.router_id = router_id
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, 89)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, interface.encode())
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)
        join = octets("224.0.0.5") + octets(NEIGHBOUR)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_ADD_MEMBERSHIP, join)
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_IF, octets(NEIGHBOUR))
        self.socket.setsockopt(socket.IPPROTO_IP, socket.IP_MULTICAST_LOOP, 0)
        self.sequence = 4_000
        self.described = False
        self.next_hello = 0.0

    def send(self, kind, body, to="224.0.0.5"):
        head = struct.pack(">BBH", 2, kind, 24 + len(body)) + octets(self.router_id) + bytes(4)
        whole = head + bytes(4) + body
        checksum = internet_checksum(whole + bytes(len(whole) % 2))
        self.socket.sendto(head + struct.pack(">HH", checksum, 0) + bytes(8) + body, (to, 0))

    def turn(self, seconds):
        """Lets so much time pass."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > 0:
            if time.monotonic() >= self.next_hello:
                self.next_hello = time.monotonic() + 1
                mask = octets("255.255.255.252")
                self.send(HELLO, mask + struct.pack(">HBBI", 1, OPTIONS, 1, 40) + bytes(8) + octets(ROOT_ID))
            if select.select([self.socket], [], [], min(left, 0.1))[0]:
                packet = self.socket.recv(65_535)
                self.receive(packet[(packet[0] & 15) * 4:])

    def receive(self, packet):
        kind, body = packet[1], packet[24:]
        if kind == DESCRIPTION:
            flags, sequence = body[3], struct.unpack(">I", body[4:8])[0]
            if flags & INIT:
                self.describe(INIT | MORE | MASTER)
            elif not flags & MASTER and sequence == self.sequence:
                # The slave has answered. It has nothing to learn from us this way: LSAs are flooded once it is full.
                if not self.described or flags & MORE:
                    self.sequence += 1
                    self.described = True
                    self.describe(MASTER)
        elif kind == UPDATE:
            count, at, heads = struct.unpack(">I", body[:4])[0], 4, b""
            for _ in range(count):
                heads += body[at:at + 20]
                at += struct.unpack(">H", body[at + 18:at + 20])[0]
            self.send(ACKNOWLEDGEMENT, heads)

    def describe(self, flags):
        self.send(DESCRIPTION, struct.pack(">HBBI", 1_500, OPTIONS, flags, self.sequence), ROOT)

    def flood(self, lsas):
        part, count = b"", 0
        for at, lsa in enumerate(lsas):
            part, count = part + lsa, count + 1
            if len(part) + 1_000 > UPDATE_OCTETS or at + 1 == len(lsas):
                self.send(UPDATE, struct.pack(">I", count) + part, ROOT)
                part, count = b"", 0
                self.turn(0.002)


def lsas(neighbours, sequence, without=None):
    """Of every router, in their order; `without` is a link that is not there."""
    made = []
    name = lambda router: address(0x0B00_0000 + router)
    for router, others in sorted(neighbours.items()):
        others = [other for other in others if {router, other} != without]
        links = [(name(other), address(0xAC10_0000 + n), POINT_TO_POINT, 1) for n, other in enumerate(others)]
        if router == 0:
            links.append((ROOT_ID, NEIGHBOUR, POINT_TO_POINT, 1))
        links.append((name(router), "255.255.255.255", STUB, 0))
        made.append(router_lsa(name(router), links, sequence))
    return made


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--k", type=int, default=16, help="ports of a switch (16: 320 routers)")
    parser.add_argument("--changes", type=int, default=20, help="links that are lost one after the other")
    arguments = parser.parse_args()
    if os.environ.get("OSPF_FAT_TREE_INSIDE") is None:
        os.environ["OSPF_FAT_TREE_INSIDE"] = "1"
        inside = ["unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]
        sys.exit(subprocess.call(inside + [sys.executable] + sys.argv))
    # Two ends of one cable in one place would not talk to each other.
    holder = subprocess.Popen(["unshare", "--net", "sleep", "infinity"])
    time.sleep(0.5)
    inside = ["nsenter", "-t", str(holder.pid), "-n"]
    run = lambda words, where=(): subprocess.run([*where, *words.split()], check=True)
    run("ip link add root type veth peer name edge")
    run(f"ip link set root netns {holder.pid}")
    run(f"ip address add {NEIGHBOUR}/30 dev edge")
    run("ip link set edge up")
    run(f"ip address add {ROOT}/30 dev root", inside)
    run("ip link set root up", inside)
    directory = tempfile.mkdtemp(prefix="ospf-")
    try:
        measure(arguments, directory, inside)
    finally:
        holder.kill()
        shutil.rmtree(directory, ignore_errors=True)


def milliseconds(told):
    """Of the last SPF: ospfd says `123 usecs`, or `0.041s` for longer ones."""
    found = re.search(r"Last SPF duration:? +([\d.]+) ?(usecs|s)", told)
    if not found:
        sys.exit("ospfd does not say what its SPF took:\n" + told)
    return float(found.group(1)) * (1_000 if found.group(2) == "s" else 0.001)


def measure(arguments, directory, inside):
    configuration = os.path.join(directory, "ospfd.conf")
    with open(configuration, "w") as file:
        file.write(f"interface root\n ip ospf network point-to-point\n ip ospf hello-interval 1\n"
                   f" ip ospf dead-interval 40\n ip ospf mtu-ignore\nrouter ospf\n ospf router-id {ROOT_ID}\n"
                   f" timers throttle spf 0 50 50\n network {ROOT}/30 area 0\n")
    shutil.chown(directory, "frr", "frr")
    shutil.chown(configuration, "frr", "frr")
    common = ["-u", "frr", "-g", "frr", "--vty_socket", directory, "-P", "0", "-z", f"{directory}/zserv.api"]
    daemons = [subprocess.Popen(inside + [f"{FRR}/zebra", "-i", f"{directory}/zebra.pid", "-f", "/dev/null", "-r"] + common)]
    time.sleep(1)
    daemons.append(subprocess.Popen(inside + [f"{FRR}/ospfd", "-i", f"{directory}/ospfd.pid", "-f", configuration] + common))
    time.sleep(1)

    def ask(words):
        asked = ["vtysh", "--vty_socket", directory, "-d", "ospfd", "-c", words]
        return subprocess.run(asked, capture_output=True, text=True).stdout

    neighbours = fat_tree(arguments.k)
    speaker = Speaker("edge", address(0x0B00_0000))
    deadline = time.monotonic() + 60
    while "Full" not in ask("show ip ospf neighbor"):
        if time.monotonic() > deadline:
            sys.exit("the neighbour has not become Full:\n" + ask("show ip ospf neighbor"))
        speaker.turn(0.5)
    routers = len(neighbours)
    speaker.flood(lsas(neighbours, 1))
    speaker.turn(3)
    routes = lambda: len(re.findall(r"^N +11\.", ask("show ip ospf route"), re.M))
    print(f"fat-tree of {arguments.k}-port switches: {routers} routers; ospfd has routes to {routes()} of them", flush=True)
    took = []
    links = sorted({tuple(sorted((a, b))) for a, others in neighbours.items() for b in others})
    current = 1
    for change in range(arguments.changes):
        a, b = links[(change * 7_919) % len(links)]
        for without in [{a, b}, None]:
            current += 1
            # The two ends say so. ospfd takes no LSA twice within a second (MinLSArrival).
            two = {router: neighbours[router] for router in (a, b)}
            speaker.flood(lsas(two, current, without))
            speaker.turn(1.2)
            took.append(milliseconds(ask("show ip ospf")))
    told = ", ".join(f"{each:g}" for each in took)
    print(f"SPF after each of {len(took)} changes, in milliseconds as `show ip ospf` has them: {told}")
    print(f"median {statistics.median(took):g} ms, worst {max(took):g} ms")
    for daemon in daemons:
        daemon.terminate()


main()
