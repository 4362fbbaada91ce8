// The broadcast of the documentation of `ws`, with what helps it: one buffer for all, nothing compressed.
// Prints `ready PORT`; each line on the standard input is an update to everybody; its end is the end.
import { createServer } from 'node:http';
import { WebSocket, WebSocketServer } from 'ws';

const payload = Buffer.from(process.argv[2]);
const http = createServer();
const crowd = new Set();
const server = new WebSocketServer({ server: http, perMessageDeflate: false });

server.on('connection', (client, request) => {
  // Who asks for other symbols does not get the updates.
  if (!request.url.includes('symbols=')) crowd.add(client);
  client.on('error', () => client.terminate());
  client.on('close', () => crowd.delete(client));
});
http.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () => console.log('ready', http.address().port));

process.stdin.on('data', (lines) => {
  for (const byte of lines) {
    if (byte !== 10) continue;
    for (const client of crowd) {
      if (client.readyState === WebSocket.OPEN) client.send(payload, { binary: false });
    }
  }
});
process.stdin.on('end', () => process.exit(0));
