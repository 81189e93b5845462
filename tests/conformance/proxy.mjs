// Adds the bearer token to every request, because the suite cannot send one. Everything else is forwarded unchanged,
// Host and Origin too.
import http from 'node:http';

export async function startProxy() {
  let gate;
  const server = http.createServer((request, response) => {
    const url = new URL(gate.url);
    const headers = { ...request.headers, authorization: `Bearer ${gate.token}` };
    const forward = http.request(
      { host: url.hostname, port: url.port, method: request.method, path: request.url, headers },
      (answer) => {
        response.writeHead(answer.statusCode, answer.rawHeaders);
        answer.pipe(response);
      },
    );
    forward.on('error', () => response.destroy());
    response.on('close', () => forward.destroy());
    request.pipe(forward);
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    origin: `http://127.0.0.1:${server.address().port}`,
    forwardTo: (next) => (gate = next),
  };
}
