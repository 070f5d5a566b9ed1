// Asks a server as the npm client does: URL WHAT. Prints what came as one line of JSON.
import { Ollama } from "ollama";

const [host, what] = process.argv.slice(2);
const client = new Ollama({ host });
const messages = [{ role: "user", content: "hi \u2603" }];

async function pieces(stream) {
  const seen = [];
  for await (const piece of stream) seen.push(piece);
  return seen;
}

const asks = {
  list: () => client.list(),
  chat: () => client.chat({ model: "tiny", messages }),
  stream: async () => pieces(await client.chat({ model: "tiny", messages, stream: true })),
  tools: async () => {
    const parameters = { type: "object", properties: { city: { type: "string" } } };
    const tools = [{ type: "function", function: { name: "weather", parameters } }];
    return pieces(await client.chat({ model: "tiny", messages, tools, stream: true }));
  },
  embed: () => client.embed({ model: "tiny", input: ["a", "b"] }),
  missing: () => client.chat({ model: "nope", messages }),
  abort: async () => {
    const stream = await client.generate({ model: "tiny", prompt: "hi", stream: true });
    const first = (await stream[Symbol.asyncIterator]().next()).value;
    stream.abort();
    return first;
  },
};

try {
  console.log(JSON.stringify({ answer: await asks[what]() }));
} catch (error) {
  const { name, message, status_code } = error;
  console.log(JSON.stringify({ name, message, status_code }));
}
