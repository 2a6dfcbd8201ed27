// What sessions on raw JetStream share: a work-queue stream on files, one durable consumer, and the count of what is left in it.
import {
  AckPolicy,
  type ConsumerConfig,
  type JetStreamClient,
  type JsMsg,
  jetstream,
  jetstreamManager,
  RetentionPolicy,
  type StreamConfig,
} from "@nats-io/jetstream";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import type { Item, OnJob } from "./subject.ts";

export type { JsMsg };

const stream = "BENCH";

const consumer = "worker";

/** Subjects of the stream; those of a job of later and of a rule hold one message, which the server publishes when it is due. */
export const subjects = {
  ready: "bench.ready",
  later: (sequence: number) => `bench.later.${sequence}`,
  rule: (sequence: number) => `bench.rule.${sequence}`,
} as const;

const allRules = "bench.rule.*";

const streamConfig: Partial<StreamConfig> & { readonly name: string } = {
  name: stream,
  subjects: ["bench.>"],
  retention: RetentionPolicy.Workqueue,
  allow_msg_schedules: true,
  allow_atomic: true,
};

export interface Jetstream {
  readonly connection: NatsConnection;
  readonly client: JetStreamClient;
  /** Starts a worker; one that fails ends the process. `messages` are asked for ahead of need, the client's 100 unless it says. */
  work(run: (message: JsMsg) => unknown, options?: WorkOptions): Promise<void>;
  countMessages(): Promise<number>;
  countRules(): Promise<number>;
  close(): Promise<void>;
}

interface WorkOptions {
  readonly messages?: number;
  /** The callback of the client instead of its iterator: the messages are not awaited one by one. */
  readonly callback?: boolean;
}

/** Opens the stream and its consumer; both are made by whoever comes first. */
export async function openJetstream(url: string, settings: Partial<ConsumerConfig> = {}): Promise<Jetstream> {
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add(streamConfig);
  await manager.consumers.add(stream, {
    durable_name: consumer,
    ack_policy: AckPolicy.Explicit,
    filter_subject: subjects.ready,
    ...settings,
  });
  const client = jetstream(connection);
  const ends: (() => void)[] = [];
  return {
    connection,
    client,
    work: async (run, { messages: ahead, callback = false } = {}) => {
      const from = await client.consumers.get(stream, consumer);
      const messages = await from.consume({
        ...(ahead === undefined ? {} : { max_messages: ahead }),
        ...(callback ? { callback: (message: JsMsg) => void run(message) } : {}),
      });
      ends.push(() => messages.stop());
      if (!callback) follow(messages, run);
    },
    countMessages: async () => (await manager.streams.info(stream)).state.messages,
    countRules: async () => {
      const { state } = await manager.streams.info(stream, { subjects_filter: allRules });
      return Object.keys(state.subjects ?? {}).length;
    },
    close: async () => {
      for (const end of ends) end();
      await connection.drain();
    },
  };
}

/** One message after the other. */
function follow(messages: AsyncIterable<JsMsg>, run: (message: JsMsg) => unknown): void {
  const loop = async () => {
    for await (const message of messages) await run(message);
  };
  loop().catch((error: unknown) => {
    console.error(error);
    process.exit(1);
  });
}

/** The message of a job. */
export function dataOf(item: Pick<Item, "sequence" | "dueAt">): string {
  return JSON.stringify({ text: "abcdef", ...item });
}

/** Does the job of a message, and acknowledges it. */
export async function handle(message: JsMsg, onJob: OnJob): Promise<void> {
  onJob(message.json<Item>().sequence);
  message.ack();
}
