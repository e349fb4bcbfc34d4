"""python-fido2 as a client of security keys: does what WebAuthn options on standard input ask, in their JSON form, and
prints {"answer": …} or {"error": …, "ctap": …}.

usage: client.py (--nfc READER | --usb HOST:PORT) [--origin ORIGIN] [--pin PIN] (create | get | info | always-uv | change-pin)
"""

import argparse
import json
import sys

from fido2.client import ClientError, DefaultClientDataCollector, Fido2Client, UserInteraction
from fido2.ctap import CtapError
from fido2.ctap2 import ClientPin, Config, Ctap2
from fido2.webauthn import PublicKeyCredentialCreationOptions, PublicKeyCredentialRequestOptions


# What a transport raises when the key is pulled out.
GONE = [OSError]


class Person(UserInteraction):
    """Knows one PIN, and says it each time."""

    def __init__(self, pin):
        self._pin = pin

    def request_pin(self, permissions, rp_id):
        return self._pin


def find(arguments):
    if arguments.usb:
        from usbip import device

        host, port = arguments.usb.rsplit(":", 1)
        return device(host, int(port))
    from fido2.pcsc import CtapPcscDevice
    from smartcard.Exceptions import SmartcardException

    GONE.append(SmartcardException)
    for device in CtapPcscDevice.list_devices(arguments.nfc):
        return device
    raise OSError(f"no security key in the reader {arguments.nfc}")


def info(device):
    ctap2 = Ctap2(device)
    retries, _ = ClientPin(ctap2).get_pin_retries()
    found = ctap2.info
    name = getattr(getattr(device, "descriptor", None), "product_name", None)
    return {"aaguid": str(found.aaguid), "options": found.options, "pin_retries": retries, "product": name}


def always_uv(device, pin):
    ctap2 = Ctap2(device)
    client_pin = ClientPin(ctap2)
    token = client_pin.get_pin_token(pin, ClientPin.PERMISSION.AUTHENTICATOR_CFG)
    Config(ctap2, client_pin.protocol, token).toggle_always_uv()
    return ctap2.get_info().options


def change_pin(device, pin, least):
    ctap2 = Ctap2(device)
    client_pin = ClientPin(ctap2)
    token = client_pin.get_pin_token(pin, ClientPin.PERMISSION.AUTHENTICATOR_CFG)
    Config(ctap2, client_pin.protocol, token).set_min_pin_length(least, force_change_pin=True)
    found = ctap2.get_info()
    return {"least": found.min_pin_length, "change": found.force_pin_change}


def do(arguments):
    device = find(arguments)
    if arguments.what == "info":
        return info(device)
    if arguments.what == "always-uv":
        return always_uv(device, arguments.pin)
    if arguments.what == "change-pin":
        return change_pin(device, arguments.pin, arguments.least)
    client = Fido2Client(device, DefaultClientDataCollector(arguments.origin), Person(arguments.pin))
    options = json.load(sys.stdin)
    if arguments.what == "create":
        return dict(client.make_credential(PublicKeyCredentialCreationOptions.from_dict(options)))
    found = client.get_assertion(PublicKeyCredentialRequestOptions.from_dict(options))
    return dict(found.get_response(0))


def main():
    parser = argparse.ArgumentParser()
    where = parser.add_mutually_exclusive_group(required=True)
    where.add_argument("--nfc", metavar="READER")
    where.add_argument("--usb", metavar="HOST:PORT")
    parser.add_argument("--origin")
    parser.add_argument("--pin")
    parser.add_argument("--least", type=int)
    parser.add_argument("what", choices=["create", "get", "info", "always-uv", "change-pin"])
    arguments = parser.parse_args()
    try:
        json.dump({"answer": do(arguments)}, sys.stdout)
    except (ClientError, CtapError, *GONE) as error:
        cause = getattr(error, "cause", None) or error
        ctap = cause.code.name if isinstance(cause, CtapError) and hasattr(cause.code, "name") else None
        json.dump({"error": f"{type(error).__name__}: {error!r}", "ctap": ctap}, sys.stdout)


main()
