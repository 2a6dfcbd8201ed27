// What the processes of nats-deferred are told, and how.
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { type Child, startScript } from "../child.ts";

/** Jobs whose due times begin at an instant, in ms since 1970, and are spread over a while from then on. */
export interface Filling {
  readonly jobs: number;
  readonly dueFrom: number;
  readonly dueWithinMs: number;
}

export type Order =
  | { readonly do: "open"; readonly works: boolean }
  | { readonly do: "fill"; readonly filling: Filling }
  | { readonly do: "lateness" | "size" | "end" };

/** A process's memory, in bytes, after what nobody needs has been collected: of the system, and of all its values. */
export interface Size {
  readonly rss: number;
  readonly heap: number;
}

const script = fileURLToPath(new URL("deferred-process.ts", import.meta.url));

export class DeferredProcess {
  readonly #child: Child;

  constructor(url: string) {
    this.#child = startScript(script, [url], { stdio: ["ignore", "ignore", "inherit", "ipc"] });
  }

  /** One at a time. @throws when it does not do it */
  async tell(order: Order): Promise<unknown> {
    const { process } = this.#child;
    const answered = once(process, "message") as Promise<[{ readonly value?: unknown; readonly error?: string }]>;
    process.send(order);
    const [{ value, error }] = await Promise.race([
      answered,
      this.#child.ended.then(({ code, signal }) => {
        throw new Error(`a process ended with ${code ?? signal}`);
      }),
    ]);
    if (error !== undefined) throw new Error(error);
    return value;
  }

  async end(): Promise<void> {
    this.#child.process.send({ do: "end" });
    await this.#child.ended;
  }
}
