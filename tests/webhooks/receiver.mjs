// A receiver as a platform would write it, with the public library of Standard Webhooks from npm, unmodified. As
// receiver.py: the port, then one JSON document for each request; commands come by standard input.

import { createServer } from "node:http";
import { createInterface } from "node:readline";
import { Webhook } from "standardwebhooks";

const state = { secret: null, accept: true };
const say = (document) => process.stdout.write(`${JSON.stringify(document)}\n`);

const server = createServer((request, response) => {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const said = { id: request.headers["webhook-id"], verified: true, event: null };
    try {
      said.event = new Webhook(state.secret).verify(Buffer.concat(parts), request.headers);
    } catch (error) {
      Object.assign(said, { verified: false, error: String(error) });
    }
    const status = said.verified ? (state.accept ? 204 : 503) : 401;
    say({ ...said, status });
    response.writeHead(status, { "content-length": 0 }).end();
  });
});
server.listen(0, "127.0.0.1", () => process.stdout.write(`${server.address().port}\n`));
const commands = createInterface({ input: process.stdin });
commands.on("line", (line) => {
  Object.assign(state, JSON.parse(line));
  say({ told: true });
});
commands.on("close", () => process.exit(0));
