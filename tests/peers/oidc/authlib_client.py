"""Authlib as an application: its checks of the metadata, CIBA from discovery alone, and its checks of the ID token.

Prints {"jwks": …}; reads {"issuer", "client_id", "secret_client_id", "secret", "user", "message"}, each as one line of
JSON; prints {"asked": …} and at last {"claims": …, "ear": …}.

usage: REQUESTS_CA_BUNDLE=FILE authlib_client.py
"""

import json
import sys
import time

from authlib.integrations.requests_client import OAuth2Session, OAuthError
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from joserfc import jwt
from joserfc.jwk import KeySet, RSAKey

CIBA = "urn:openid:params:grant-type:ciba"


def say(line):
    print(json.dumps(line), flush=True)


key = RSAKey.generate_key(2048, {"kid": "1", "use": "sig"})
say({"jwks": {"keys": [key.as_dict(private=False)]}})
given = json.loads(sys.stdin.readline())
issuer = given["issuer"]

session = OAuth2Session(given["client_id"], key, token_endpoint_auth_method="private_key_jwt")
# The issuer is the audience, as draft-ietf-oauth-rfc7523bis has it.
session.register_client_auth_method(PrivateKeyJWT(issuer, headers={"kid": "1"}, alg="PS256"))


def fetch(address):
    answer = session.request("GET", address, withhold_token=True, timeout=30)
    answer.raise_for_status()
    return answer.json()


provider = AuthorizationServerMetadata(fetch(f"{issuer}/.well-known/oauth-authorization-server"))
provider.validate()
assert provider["issuer"] == issuer, provider
opened = OpenIDProviderMetadata(fetch(f"{issuer}/.well-known/openid-configuration"))
assert opened == provider, opened
# The one requirement of OpenID Connect Discovery that this provider does not meet: it never signs with RS256.
try:
    opened.validate()
    raise AssertionError("RS256 is supported")
except ValueError as error:
    assert "RS256" in str(error), error
opened["id_token_signing_alg_values_supported"].append("RS256")
opened.validate()

form = {"scope": "openid", "binding_message": given["message"]}


def ask(session, method, user):
    address = provider["backchannel_authentication_endpoint"]
    auth = session.client_auth(method)
    form_of_user = form | {"login_hint": user}
    answer = session.request("POST", address, withhold_token=True, data=form_of_user, auth=auth, timeout=30)
    assert answer.status_code == 200, answer.text
    return answer.json()


# The other method, as Authlib has it by default.
with_secret = OAuth2Session(given["secret_client_id"], given["secret"])
ask(with_secret, "client_secret_basic", "unknown")

asked = ask(session, "private_key_jwt", given["user"])
say({"asked": asked})
while True:
    try:
        tokens = session.fetch_token(provider["token_endpoint"], grant_type=CIBA, auth_req_id=asked["auth_req_id"])
        break
    except OAuthError as error:
        assert error.error == "authorization_pending", error
        time.sleep(asked["interval"])

keys = KeySet.import_key_set(fetch(provider["jwks_uri"]))
id_token = jwt.decode(tokens["id_token"], keys, algorithms=provider["id_token_signing_alg_values_supported"])
jwt.JWTClaimsRegistry(
    iss={"essential": True, "value": issuer},
    aud={"essential": True, "value": given["client_id"]},
    exp={"essential": True},
    iat={"essential": True},
    sub={"essential": True},
).validate(id_token.claims)
assert id_token.header["typ"] == "JWT", id_token.header
digest = id_token.claims["vitalsign_ear"]["digest"]
answer = session.get(provider["vitalsign_ear_endpoint"] + digest, timeout=30)
assert answer.status_code == 200, answer.text
say({"claims": id_token.claims, "ear": answer.text})
