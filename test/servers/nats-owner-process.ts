// A process that owns a private NATS server and waits to be killed. Prints the server's process id and data folder.
import { startNats } from "../../scripts/services/nats.ts";

const { pid, directory } = await startNats();
process.stdout.write(`${JSON.stringify({ pid, directory })}\n`);
setInterval(() => {}, 60_000);
