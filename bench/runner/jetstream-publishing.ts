// How messages get into raw JetStream: each by itself, as the client's manual shows it, or bulks as atomic batches.
import type { JetStreamPublishOptions } from "@nats-io/jetstream";
import { headers, type MsgHdrs } from "@nats-io/transport-node";
import { type Jetstream, subjects } from "./jetstream.ts";

/** A message, and when the server is to hand it to the worker where that is not at once. */
export interface Message {
  readonly subject: string;
  readonly data: string;
  /** In the server's words: an instant, or six cron fields. */
  readonly when?: string;
}

/** Both answer when the server has acknowledged all. */
export interface Publishing {
  publish(message: Message): Promise<unknown>;
  publishMany(messages: readonly Message[]): Promise<unknown>;
}

/** The server takes no larger ones. */
const batchSize = 1_000;

/** How long an acknowledgement may take, in ms. */
const patienceMs = 5_000;

/** Each message by itself; those of a bulk are on the way together. */
export function publishingEach({ client }: Jetstream): Publishing {
  const publish = ({ subject, data, when }: Message) => {
    const options: Partial<JetStreamPublishOptions> =
      when === undefined ? {} : { schedule: { specification: when, target: subjects.ready } };
    return client.publish(subject, data, options);
  };
  return { publish, publishMany: (messages) => Promise.all(messages.map(publish)) };
}

/** The client's batch passes on no schedule, so the headers are set by hand. */
function headersOf({ when }: Message): MsgHdrs {
  const set = headers();
  if (when === undefined) return set;
  set.set("Nats-Schedule", when);
  set.set("Nats-Schedule-Target", subjects.ready);
  return set;
}

/** A bulk as atomic batches; one message as a plain request, without what the client's publishing adds to it. */
export function publishingInBatches({ client, connection }: Jetstream): Publishing {
  const publish = async (message: Message) => {
    const { subject, data, when } = message;
    const reply = await connection.request(subject, data, {
      timeout: patienceMs,
      ...(when === undefined ? {} : { headers: headersOf(message) }),
    });
    const { error } = reply.json<{ readonly error?: { readonly description: string } }>();
    if (error !== undefined) throw new Error(error.description);
  };
  const publishBatch = async ([first, ...others]: readonly Message[]) => {
    const last = others.pop();
    if (first === undefined) return;
    if (last === undefined) {
      await publish(first);
      return;
    }
    const batch = await client.startBatch(first.subject, first.data, { headers: headersOf(first) });
    for (const message of others) batch.add(message.subject, message.data, { headers: headersOf(message) });
    await batch.commit(last.subject, last.data, { headers: headersOf(last) });
  };
  return {
    publish,
    publishMany: async (messages) => {
      for (let from = 0; from < messages.length; from += batchSize) {
        await publishBatch(messages.slice(from, from + batchSize));
      }
    },
  };
}
