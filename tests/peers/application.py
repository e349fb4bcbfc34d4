"""An application, written without a line of Vitalsign's: OpenID CIBA with private_key_jwt and DPoP, tokens checked.

    application.py key FILE                                     makes a key, prints its public half as a JWK set
    application.py ask --url URL --ca FILE --client ID --key FILE --user NAME --message TEXT
                                                                asks for a person, prints the claims of the tokens

Python's own HTTPS, and `cryptography` for signatures.
"""

import argparse
import base64
import hashlib
import json
import os
import ssl
import time
import urllib.error
import urllib.parse
import urllib.request

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

CIBA = "urn:openid:params:grant-type:ciba"
BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
ES256 = ec.ECDSA(hashes.SHA256())


def encode(octets):
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def jwk(key):
    point = key.public_numbers()
    return {"kty": "EC", "crv": "P-256", "x": encode(point.x.to_bytes(32)), "y": encode(point.y.to_bytes(32))}


def sign(header, claims, key):
    parts = [encode(json.dumps(part).encode()) for part in (header | {"alg": "ES256"}, claims)]
    r, s = utils.decode_dss_signature(key.sign(".".join(parts).encode(), ES256))
    return ".".join([*parts, encode(r.to_bytes(32) + s.to_bytes(32))])


def verify(token, typ, keys):
    header, claims, signature = token.split(".")
    named = json.loads(decode(header))
    assert (named["alg"], named["typ"]) == ("ES256", typ), named
    [found] = [key for key in keys if key["kid"] == named["kid"]]
    x, y = (int.from_bytes(decode(found[name])) for name in "xy")
    public = ec.EllipticCurvePublicNumbers(x, y, ec.SECP256R1()).public_key()
    raw = decode(signature)
    r, s = (int.from_bytes(half) for half in (raw[:32], raw[32:]))
    public.verify(utils.encode_dss_signature(r, s), f"{header}.{claims}".encode(), ES256)
    return json.loads(decode(claims))


def make_key(arguments):
    key = ec.generate_private_key(ec.SECP256R1())
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(arguments.file, "wb") as file:
        file.write(pem)
    print(json.dumps({"keys": [jwk(key.public_key()) | {"kid": "1", "use": "sig"}]}))


def ask(arguments):
    trust = ssl.create_default_context(cafile=arguments.ca)
    # Of answers, the newest last (RFC 9449 section 8).
    nonces = []

    def call(address, form=None, headers=None):
        # Where it listens in a trial is not where its name says.
        address = arguments.url + urllib.parse.urlsplit(address).path
        body = None if form is None else urllib.parse.urlencode(form).encode()
        request = urllib.request.Request(address, body, headers or {})
        try:
            with urllib.request.urlopen(request, context=trust, timeout=60) as answer:
                nonces.extend(answer.headers.get_all("DPoP-Nonce", []))
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            nonces.extend(error.headers.get_all("DPoP-Nonce", []))
            return error.code, json.load(error)

    _, provider = call("/.well-known/openid-configuration")
    _, keys = call(provider["jwks_uri"])
    with open(arguments.key, "rb") as file:
        key = serialization.load_pem_private_key(file.read(), None)
    bound = ec.generate_private_key(ec.SECP256R1())

    def shown():
        now = int(time.time())
        claims = {"iss": arguments.client, "sub": arguments.client, "aud": provider["issuer"]}
        claims |= {"iat": now, "exp": now + 60, "jti": encode(os.urandom(16))}
        assertion = sign({"typ": "JWT", "kid": "1"}, claims, key)
        return {"client_assertion_type": BEARER, "client_assertion": assertion}

    def proof():
        claims = {"htm": "POST", "htu": provider["token_endpoint"], "iat": int(time.time())}
        claims |= {"nonce": nonces[-1]} if nonces else {}
        return sign({"typ": "dpop+jwt", "jwk": jwk(bound.public_key())}, claims | {"jti": encode(os.urandom(16))}, bound)

    form = {"scope": "openid", "login_hint": arguments.user, "binding_message": arguments.message}
    status, asked = call(provider["backchannel_authentication_endpoint"], form | shown())
    assert status == 200, asked
    while True:
        form = {"grant_type": CIBA, "auth_req_id": asked["auth_req_id"]}
        status, tokens = call(provider["token_endpoint"], form | shown(), {"DPoP": proof()})
        if tokens.get("error") == "use_dpop_nonce":
            assert len(nonces) == 1, "asked for a nonce again"
            continue
        if tokens.get("error") != "authorization_pending":
            break
        time.sleep(asked["interval"])
    assert status == 200, tokens
    assert tokens["token_type"] == "DPoP", tokens
    claims_id = verify(tokens["id_token"], "JWT", keys["keys"])
    claims_access = verify(tokens["access_token"], "at+jwt", keys["keys"])
    thumbprint = json.dumps(jwk(bound.public_key()), sort_keys=True, separators=(",", ":")).encode()
    assert claims_access["cnf"]["jkt"] == encode(hashlib.sha256(thumbprint).digest()), claims_access
    for claims in (claims_id, claims_access):
        assert claims["iss"] == provider["issuer"] and claims["iat"] - 60 <= time.time() < claims["exp"], claims
    assert claims_id["aud"] == arguments.client, claims_id
    print(json.dumps({"id": claims_id, "access": claims_access, "nonces": len(nonces)}))


parser = argparse.ArgumentParser()
commands = parser.add_subparsers(required=True)
command = commands.add_parser("key")
command.add_argument("file")
command.set_defaults(run=make_key)
command = commands.add_parser("ask")
for name in ("url", "ca", "client", "key", "user", "message"):
    command.add_argument(f"--{name}", required=True)
command.set_defaults(run=ask)
arguments = parser.parse_args()
arguments.run(arguments)
