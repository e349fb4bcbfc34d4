"""A FIDO HID device reached by USB/IP in user space, as python-fido2 wants its connections: no kernel driver."""

import itertools
import socket
import struct

from fido2.hid import CtapHidDevice
from fido2.hid.base import CtapHidConnection, HidDescriptor

OUT, IN = 0, 1
BUS_ID = b"1-1"
EN_US = 0x0409
# Longer than a person may take; keepalives come several times a second.
PATIENCE = 60


class Bus:
    """One device, imported (Documentation/usb/usbip_protocol.rst of Linux)."""

    def __init__(self, host, port):
        self._socket = socket.create_connection((host, port), PATIENCE)
        self._sequence = itertools.count(1)
        self._socket.sendall(struct.pack(">HHI32s", 0x0111, 0x8003, 0, BUS_ID))
        _, _, status = struct.unpack(">HHI", self._receive(8))
        if status != 0:
            raise OSError(f"the device cannot be imported: status {status}")
        device = self._receive(312)
        self._device = struct.unpack(">II", device[288:296])
        self.vendor, self.product = struct.unpack(">HH", device[300:304])

    def _receive(self, length):
        data = b""
        while len(data) < length:
            more = self._socket.recv(length - len(data))
            if not more:
                raise OSError("the device is gone")
            data += more
        return data

    def transfer(self, direction, endpoint, data=b"", length=0, setup=bytes(8)):
        """Submits one request and waits for its answer: what was read."""
        sequence = next(self._sequence)
        device = self._device[0] << 16 | self._device[1]
        size = length if direction == IN else len(data)
        header = struct.pack(">IIIIIIIIII8s", 1, sequence, device, direction, endpoint, 0, size, 0, 0, 0, setup)
        self._socket.sendall(header + (data if direction == OUT else b""))
        command, answered, _, _, _, status, actual = struct.unpack(">IIIIIiI20x", self._receive(48))
        if (command, answered) != (3, sequence):
            raise OSError("the answer belongs to another request")
        if status != 0:
            raise OSError(f"the transfer failed: status {status}")
        return self._receive(actual) if direction == IN else b""

    def descriptor(self, kind, length, index=0, recipient=0x80, about=0):
        setup = struct.pack("<BBHHH", recipient, 6, kind << 8 | index, about, length)
        return self.transfer(IN, 0, length=length, setup=setup)

    def close(self):
        self._socket.close()


class Connection(CtapHidConnection):
    def __init__(self, host, port):
        self._bus = Bus(host, port)
        self.vendor, self.product = struct.unpack("<8xHH", self._bus.descriptor(1, 18)[:12])
        if (self.vendor, self.product) != (self._bus.vendor, self._bus.product):
            raise OSError("the device calls itself differently on the bus")
        configuration = self._bus.descriptor(2, 256)
        at, endpoints = 0, {}
        while at < len(configuration):
            length, kind = configuration[at], configuration[at + 1]
            if kind == 5:
                address = configuration[at + 2]
                endpoints[address >> 7] = address & 0x0F
            at += length
        self._in, self._out = endpoints[IN], endpoints[OUT]
        # The usage page of FIDO, at the head of the report descriptor.
        if not self._bus.descriptor(0x22, 34, recipient=0x81).startswith(b"\x06\xd0\xf1"):
            raise OSError("the device is no security key")
        name = self._bus.descriptor(3, 255, index=2, about=EN_US)
        self.name = name[2 : name[0]].decode("utf-16-le")
        self._bus.transfer(OUT, 0, setup=struct.pack("<BBHHH", 0, 9, 1, 0, 0))

    def read_packet(self):
        return self._bus.transfer(IN, self._in, length=64)

    def write_packet(self, data):
        self._bus.transfer(OUT, self._out, data)

    def close(self):
        self._bus.close()


def device(host, port):
    connection = Connection(host, port)
    descriptor = HidDescriptor("usbip", connection.vendor, connection.product, 64, 64, connection.name, None)
    return CtapHidDevice(descriptor, connection)
