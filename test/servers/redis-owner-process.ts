// A process that owns a private Redis and waits to be killed. Prints the server's process id and data folder.
import { startRedis } from "../../scripts/services/redis.ts";

const { pid, directory } = await startRedis({ durability: "everysec" });
process.stdout.write(`${JSON.stringify({ pid, directory })}\n`);
setInterval(() => {}, 60_000);
