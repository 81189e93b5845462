// Signs and verifies with the npm library jose, for roundtrip.py: JSON lines in, JSON lines out.
//
//   verify ALG   first line: a JWK; then {token, issuer, audience} → {claims, header} or {error}
//   sign ALG     first line: {kid}; then {header, claims}          → first {jwk, spki?}, then {token, claims}
import { createInterface } from 'node:readline';

const jose = await import(process.env.JOSE ?? 'jose');

const [mode, alg] = process.argv.slice(2);
const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const first = JSON.parse((await lines.next()).value);
const print = (value) => process.stdout.write(`${JSON.stringify(value)}\n`);

const verify = async () => {
  // A set, as users have it: jose itself then selects by kid and alg.
  const keys = jose.createLocalJWKSet({ keys: [first] });
  const key = first.kty === 'oct' ? await jose.importJWK(first, alg) : keys;
  for await (const line of lines) {
    const { token, issuer, audience } = JSON.parse(line);
    try {
      const { payload, protectedHeader } = await jose.jwtVerify(token, key, { algorithms: [alg], issuer, audience });
      print({ claims: payload, header: protectedHeader });
    } catch (error) {
      print({ error: error.code ?? String(error) });
    }
  }
};

const sign = async () => {
  let key;
  if (alg.startsWith('HS')) {
    key = crypto.getRandomValues(new Uint8Array(Number(alg.slice(2)) / 8));
    print({ jwk: { kty: 'oct', k: jose.base64url.encode(key), alg, kid: first.kid } });
  } else {
    const pair = await jose.generateKeyPair(alg, { extractable: true });
    key = pair.privateKey;
    const jwk = { ...(await jose.exportJWK(pair.publicKey)), kid: first.kid, alg, use: 'sig' };
    print({ jwk, spki: await jose.exportSPKI(pair.publicKey) });
  }
  for await (const line of lines) {
    const { header, claims } = JSON.parse(line);
    const token = await new jose.SignJWT(claims).setProtectedHeader({ ...header, alg }).sign(key);
    // As JavaScript has them: a number of 2^53 or more may have been rounded.
    print({ token, claims });
  }
};

await (mode === 'sign' ? sign() : verify());
