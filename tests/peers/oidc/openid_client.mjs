// openid-client as an application: CIBA from discovery alone, with its defaults, which give up on a request after 30 s.
//
// Prints {"jwks": …}; reads {"issuer", "client_id", "user", "message"}, each as one line of JSON; prints {"asked": …},
// {"pending": seconds} for each poll that was answered so, and at last {"claims": …, "access_token": …, "ear": …}.

import * as client from "openid-client";
import { createInterface } from "node:readline/promises";

const say = (line) => console.log(JSON.stringify(line));

const kinds = {
  ES256: { name: "ECDSA", namedCurve: "P-256" },
  ES384: { name: "ECDSA", namedCurve: "P-384" },
  PS256: { name: "RSA-PSS", hash: "SHA-256", modulusLength: 2048, publicExponent: new Uint8Array([1, 0, 1]) },
  RS384: { name: "RSASSA-PKCS1-v1_5", hash: "SHA-384", modulusLength: 3072, publicExponent: new Uint8Array([1, 0, 1]) },
  Ed25519: { name: "Ed25519" },
};
const keys = {};
const jwks = [];
for (const [alg, kind] of Object.entries(kinds)) {
  keys[alg] = await crypto.subtle.generateKey(kind, true, ["sign", "verify"]);
  const { kty, crv, x, y, n, e } = await crypto.subtle.exportKey("jwk", keys[alg].publicKey);
  jwks.push({ kty, crv, x, y, n, e, kid: alg, alg, use: "sig" });
}
say({ jwks: { keys: jwks } });

const lines = createInterface({ input: process.stdin });
const [line] = await new Promise((resolve) => lines.once("line", (text) => resolve([text])));
lines.close();
const { issuer, client_id, user, message } = JSON.parse(line);
const request = (user) => ({ scope: "openid", login_hint: user, binding_message: message });
const discover = (alg, options) => {
  const auth = client.PrivateKeyJwt({ key: keys[alg].privateKey, kid: alg });
  return client.discovery(new URL(issuer), client_id, { dpop_bound_access_tokens: true }, auth, options);
};

// Every kind of key, each by the metadata of RFC 8414.
for (const alg of Object.keys(kinds)) {
  const config = await discover(alg, { algorithm: "oauth2" });
  await client.initiateBackchannelAuthentication(config, request(`unknown ${alg}`));
}

const config = await discover("ES256");
const DPoP = client.getDPoPHandle(config, await client.randomDPoPKeyPair("ES256"));
const begun = Date.now();
config[client.customFetch] = async (...request) => {
  const answer = await fetch(...request);
  if (answer.status === 400 && (await answer.clone().json()).error === "authorization_pending") {
    say({ pending: (Date.now() - begun) / 1000 });
  }
  return answer;
};
const asked = await client.initiateBackchannelAuthentication(config, request(user));
say({ asked });
const tokens = await client.pollBackchannelAuthenticationGrant(config, asked, undefined, { DPoP });
const claims = tokens.claims();
const address = new URL(claims.vitalsign_ear.digest, config.serverMetadata().vitalsign_ear_endpoint);
const answer = await client.fetchProtectedResource(config, tokens.access_token, address, "GET", undefined, undefined, { DPoP });
if (answer.status !== 200) throw new Error(await answer.text());
say({ claims, access_token: tokens.access_token, token_type: tokens.token_type, ear: await answer.text() });
