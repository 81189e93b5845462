// Verifies tokens, one per line, with jose's remote key set: `ok USER` or `error CODE` for each.
//
//   jose_remote.mjs direct|discovery ISSUER AUDIENCE COOLDOWN_MS|default
import { createInterface } from 'node:readline';

const jose = await import(process.env.JOSE ?? 'jose');
const [how, issuer, audience, cooldown] = process.argv.slice(2);

let address = `${issuer}/.well-known/jwks.json`;
if (how === 'discovery') {
  const metadata = await (await fetch(`${issuer}/.well-known/openid-configuration`)).json();
  if (metadata.issuer !== issuer) throw new Error(`issuer ${metadata.issuer}`);
  address = metadata.jwks_uri;
}
const options = cooldown === 'default' ? {} : { cooldownDuration: Number(cooldown) };
const keys = jose.createRemoteJWKSet(new URL(address), options);

for await (const token of createInterface({ input: process.stdin })) {
  try {
    const { payload } = await jose.jwtVerify(token, keys, { issuer, audience });
    console.log(`ok ${payload.user_id}`);
  } catch (error) {
    console.log(`error ${error.code ?? error}`);
  }
}
