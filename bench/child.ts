// A child process of the runner: opens one subject and does what it is told, see process/desk.ts.
import { pathToFileURL } from "node:url";
import type { Answer, Call, Role } from "./process/actor.ts";
import { Desk } from "./process/desk.ts";
import { warmUp } from "./process/warm.ts";
import type { Subject } from "./runner/subject.ts";

/** How often it says how many handlers have run, in ms: with several workers the runner tells from it when all have. */
const tellMs = 5;

const role = JSON.parse(process.argv[2] ?? "{}") as Role;
let desk: Desk | undefined;
let told = 0;

function tell(answer: Answer): void {
  // The runner may have gone: then there is nobody to tell, and the process ends with its channel.
  if (process.connected) process.send?.(answer, () => {});
}

async function answer({ name, args }: Call): Promise<unknown> {
  if (name === "open") {
    const { subject } = (await import(pathToFileURL(role.file).href)) as { readonly subject: Subject };
    await warmUp(subject, role);
    const { folder, config, url } = role;
    desk = new Desk(await subject.open({ folder, config, ...(url === undefined ? {} : { url }) }), role.plant);
    return undefined;
  }
  const methods = desk as unknown as Readonly<Record<string, (...args: readonly unknown[]) => unknown>> | undefined;
  const method = methods?.[name];
  if (method === undefined) throw new Error(`nothing to call: ${name}`);
  return await method.apply(desk, [...args]);
}

process.on("message", (call: Call) => {
  answer(call).then(
    (value) => tell({ call: call.call, value }),
    (error: unknown) =>
      tell({ call: call.call, error: error instanceof Error ? (error.stack ?? error.message) : String(error) }),
  );
});
// What a peer leaves open must not keep the process.
process.once("disconnect", () => process.exit());
setInterval(() => {
  if (desk === undefined || desk.handled === told) return;
  told = desk.handled;
  tell({ handled: told });
}, tellMs).unref();
