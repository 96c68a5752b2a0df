"""Pings of many addresses from one raw socket; an answer counts within a second."""

from __future__ import annotations

import asyncio
import os
import socket
import struct
import time

from tests.lab.loading.record import Record

INTERVAL = 0.1
PATIENCE = 1.0
ECHO = 8


class Pings:
    """Pings every address ten times a second and records each ping."""

    def __init__(self, addresses: list[str], record: Record) -> None:
        self._addresses, self._record = addresses, record
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP)
        self._socket.setblocking(False)
        self._identity = os.getpid() & 0xFFFF
        self._sent: dict[int, tuple[str, float]] = {}
        self._number = 0

    async def run(self) -> None:
        """Ping until cancelled."""
        asyncio.get_running_loop().add_reader(self._socket, self._receive)
        beat = time.monotonic()
        while True:
            self._give_up()
            for address in self._addresses:
                self._send(address)
            beat += INTERVAL
            await asyncio.sleep(max(0, beat - time.monotonic()))

    def _send(self, address: str) -> None:
        self._number = (self._number + 1) & 0xFFFF
        began = time.time()
        head = struct.pack("!BBHHH", ECHO, 0, 0, self._identity, self._number)
        head = struct.pack("!BBHHH", ECHO, 0, _checksum(head), self._identity, self._number)
        try:
            self._socket.sendto(head, (address, 0))
        except OSError as error:
            self._record.add(f"ping {address}", began, ok=False, note=str(error))
        else:
            self._sent[self._number] = (address, began)

    def _receive(self) -> None:
        while True:
            try:
                packet, (source, _) = self._socket.recvfrom(2048)
            except BlockingIOError:
                return
            kind, _, _, identity, number = struct.unpack_from("!BBHHH", packet, 20)
            if kind == 0 and identity == self._identity and number in self._sent:
                address, began = self._sent[number]
                if address == source:
                    del self._sent[number]
                    self._record.add(f"ping {address}", began, ok=True)

    def _give_up(self) -> None:
        now = time.time()
        for number, (address, began) in list(self._sent.items()):
            if now - began > PATIENCE:
                del self._sent[number]
                self._record.add(f"ping {address}", began, ok=False, note="no answer")


def _checksum(data: bytes) -> int:
    total: int = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xFFFF)
    return ~(total + (total >> 16)) & 0xFFFF
