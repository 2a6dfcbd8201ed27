// A store that two processes have open, as an engine: each call is the other's, and now and then one of them is closed and
// another begins with what is stored.
import type { Engine } from "../../src/core/engine.ts";

/** After so many calls another process takes the place of one. */
const callsOfLife = 75;

type Part =
  | "jobs"
  | "schedules"
  | "queues"
  | "tenants"
  | "records"
  | "events"
  | "transfer"
  | "inspection"
  | "migrations";
type Method = (...args: readonly unknown[]) => Promise<unknown>;

const writes: readonly (string | symbol)[] = ["insert", "claim", "settle", "fire"];

/**
 * @param make an engine over the store, not yet opened
 * @param between done before each call that writes; leaves nothing behind that can be seen
 */
export function inTurns(make: () => Engine, between: (engine: Engine) => Promise<void>): Engine {
  const engines: [Engine, Engine] = [make(), make()];
  let calls = 0;
  let retired: Engine | undefined;
  const replace = async (turn: 0 | 1) => {
    const heir = make();
    await heir.open();
    // Of calls that are made together, some may be with the old one still.
    const before = retired;
    retired = engines[turn];
    engines[turn] = heir;
    await before?.close();
  };
  const next = async (): Promise<Engine> => {
    calls++;
    const turn = calls % 2 === 0 ? 0 : 1;
    if (calls % callsOfLife === 0) await replace(turn);
    return engines[turn];
  };
  const part = <Name extends Part>(name: Name): Engine[Name] => {
    const call = (method: string | symbol): Method => {
      return async (...args) => {
        const engine = await next();
        if (writes.includes(method)) await between(engine);
        const store = engine[name] as unknown as Readonly<Record<string | symbol, Method>>;
        return await store[method]?.(...args);
      };
    };
    return new Proxy({}, { get: (_, method) => call(method) }) as Engine[Name];
  };
  const [{ name, capabilities }] = engines;
  return {
    name,
    capabilities,
    open: async () => {
      for (const engine of engines) await engine.open();
    },
    close: async () => {
      for (const engine of [...engines, retired]) await engine?.close();
    },
    now: async () => (await next()).now(),
    jobs: part("jobs"),
    schedules: part("schedules"),
    queues: part("queues"),
    tenants: part("tenants"),
    records: part("records"),
    events: part("events"),
    transfer: part("transfer"),
    inspection: part("inspection"),
    migrations: part("migrations"),
  };
}
