// Puts a bearer token into every request; everything else, Host and Origin too, goes through as it came.
// GATE_URL is the server, TOKEN the token, PORT where to listen.
import http from 'node:http';

const gate = new URL(process.env.GATE_URL);
const authorization = `Bearer ${process.env.TOKEN}`;

http.createServer((request, answer) => {
  const headers = { ...request.headers, authorization };
  const forward = http.request(
    { host: gate.hostname, port: gate.port, method: request.method, path: request.url, headers },
    (response) => {
      answer.writeHead(response.statusCode, response.rawHeaders);
      response.pipe(answer);
    },
  );
  forward.on('error', () => answer.destroy());
  answer.on('close', () => forward.destroy());
  request.pipe(forward);
}).listen(Number(process.env.PORT), '127.0.0.1');
