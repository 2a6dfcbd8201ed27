// One BullMQ queue as a deliverer uses it: connected once, shared by all deliveries of a process.
import type { Queue, QueueEvents } from "bullmq";
import { Connection, loadBullmq } from "./connection.ts";
import { Endings } from "./endings.ts";
import type { QueueOptions } from "./options.ts";

/** The channel on which a deliverer asks the workers of `.work` to stop a job; others do not hear it. */
export function cancelChannel({ prefix, name }: Pick<QueueOptions, "prefix" | "name">): string {
  return `${prefix}:${name}:punctual-cancel`;
}

export class Link {
  readonly queue: Queue;
  readonly endings: Endings;
  readonly connection: Connection;
  readonly #closed = new AbortController();
  readonly #events: QueueEvents;
  readonly #options: QueueOptions;

  private constructor(connection: Connection, queue: Queue, events: QueueEvents, options: QueueOptions) {
    this.connection = connection;
    this.queue = queue;
    this.endings = new Endings(queue, events);
    this.#events = events;
    this.#options = options;
  }

  /** @throws EngineNotConfiguredError when bullmq or ioredis is not installed; what Redis says when it is not there */
  static async open(options: QueueOptions, onError: (error: unknown) => void): Promise<Link> {
    const { Queue, QueueEvents } = await loadBullmq();
    const connection = await Connection.open(options.connection, onError);
    const { name, prefix } = options;
    try {
      const queue = new Queue(name, { connection: connection.client, prefix });
      queue.on("error", onError);
      const events = new QueueEvents(name, { connection: connection.copy(), prefix });
      events.on("error", onError);
      // Deliveries that are added from here on are heard of.
      await Promise.all([queue.waitUntilReady(), events.waitUntilReady()]);
      return new Link(connection, queue, events, options);
    } catch (error) {
      connection.close();
      throw error;
    }
  }

  /** Asks whoever runs the job to stop it. */
  async askToStop(bullmqId: string): Promise<void> {
    await this.connection.client.publish(cancelChannel(this.#options), bullmqId);
  }

  /** Aborts when it is closed. */
  get closed(): AbortSignal {
    return this.#closed.signal;
  }

  async close(): Promise<void> {
    this.#closed.abort(new Error("the connection to BullMQ was closed"));
    await Promise.allSettled([this.#events.close(), this.queue.close()]);
    this.connection.close();
  }
}
