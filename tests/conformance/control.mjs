// The control: a valid MCP server that offers nothing. It introduces itself, its lists of prompts and resources are
// empty, every other method is "not found", and it looks at no header. A check that passes here as well says nothing
// about the gate (see compare.mjs).
import http from 'node:http';

const INFO = { name: 'control', version: '1' };

// What every result of revision 2026-07-28 carries; older clients ignore it.
const COMMON = {
  resultType: 'complete',
  ttlMs: 0,
  cacheScope: 'private',
  _meta: { 'io.modelcontextprotocol/serverInfo': INFO },
};

const RESULTS = {
  initialize: (params) => ({ protocolVersion: params.protocolVersion, capabilities: {}, serverInfo: INFO }),
  'server/discover': () => ({ ...COMMON, supportedVersions: ['2026-07-28'], capabilities: {} }),
  'prompts/list': () => ({ ...COMMON, prompts: [] }),
  'resources/list': () => ({ ...COMMON, resources: [] }),
  'resources/templates/list': () => ({ ...COMMON, resourceTemplates: [] }),
};

function answer({ id, method, params }) {
  const result = RESULTS[method]?.(params ?? {});
  const error = { code: -32601, message: 'Method not found' };
  return result ? { jsonrpc: '2.0', id, result } : { jsonrpc: '2.0', id, error };
}

export async function startControl() {
  const server = http.createServer(async (request, response) => {
    if (request.method !== 'POST') return response.writeHead(405).end();
    let body = '';
    for await (const chunk of request) body += chunk;
    const message = JSON.parse(body);
    if (message.id === undefined) return response.writeHead(202).end();
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer(message)));
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { origin: `http://127.0.0.1:${server.address().port}` };
}
