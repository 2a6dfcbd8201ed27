// A user's pool that gives no connection any more once a statement has been committed: the server is gone then.
import { Pool, type PoolClient, type PoolConfig } from "pg";

type Connected = (error: Error | undefined, client: PoolClient | undefined, done: (release?: unknown) => void) => void;

export class FailingPool extends Pool {
  readonly #watched = new WeakSet<PoolClient>();
  #after: string | undefined;
  #seen = false;
  #gone = false;

  constructor(connectionString: string) {
    super({ connectionString, max: 4 } satisfies PoolConfig);
  }

  /** @param operation the name that the statement begins with */
  goneAfter(operation: string): void {
    this.#after = operation;
  }

  back(): void {
    this.#after = undefined;
    this.#seen = false;
    this.#gone = false;
  }

  override connect(): Promise<PoolClient>;
  override connect(callback: Connected): void;
  override connect(callback?: Connected): Promise<PoolClient> | undefined {
    if (callback !== undefined) {
      super.connect(callback as never);
      return undefined;
    }
    return this.#connect();
  }

  async #connect(): Promise<PoolClient> {
    if (this.#gone) throw new Error("connection refused");
    const client = await super.connect();
    if (!this.#watched.has(client)) this.#watch(client);
    return client;
  }

  #watch(client: PoolClient): void {
    this.#watched.add(client);
    const query = client.query.bind(client) as (...call: unknown[]) => Promise<unknown>;
    client.query = (async (...call: unknown[]) => {
      const [given] = call;
      const text = typeof given === "string" ? given : ((given as { readonly text?: string }).text ?? "");
      if (this.#after !== undefined && text.includes(`-- ${this.#after}\n`)) this.#seen = true;
      const answer = await query(...call);
      if (this.#seen && text.includes("COMMIT")) this.#gone = true;
      return answer;
    }) as never;
  }
}
