// A process that owns a private server and waits to be killed. Prints the server's process id and data folder.
import { startPostgres } from "../../scripts/services/postgres.ts";

const server = await startPostgres({ durable: false });
const [row] = await server.query<{ data_directory: string }>("SHOW data_directory");
process.stdout.write(`${JSON.stringify({ pid: server.pid, directory: row?.data_directory })}\n`);
setInterval(() => {}, 60_000);
