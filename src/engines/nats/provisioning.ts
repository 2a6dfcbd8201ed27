// The stream that holds a store: checked when it is there, made when it is not, by any number of processes at once and on a
// cluster that is still electing its leaders.
import type { StreamConfig, StreamInfo } from "@nats-io/jetstream";
import { defaults } from "../../core/defaults.ts";
import { formatDuration } from "../../core/duration.ts";
import { EngineNotConfiguredError, NotWrittenError } from "../../core/errors.ts";
import type { Way } from "./connecting.ts";
import { asStoreError, atOpening, bare, mayPass, named, refusal, refusalOf } from "./faults.ts";
import type { StartupTimes } from "./options.ts";
import { checkVersion, tooOld } from "./server-version.ts";
import { checkStream, covers, isOurs, ourMetadata } from "./stream-config.ts";

/** Which stream a store wants. */
export interface ProvisionOptions {
  readonly stream: string;
  readonly prefix: string;
  readonly replicas: number;
  readonly storage: "file" | "memory";
  /** Refuses where the stream is not there. */
  readonly mustExist: boolean;
  readonly startup: StartupTimes;
}

/** A stream that is ready. */
export interface Provisioned {
  /** Where the journal is written. */
  readonly subject: string;
  /** A message may have so many bytes at most, headers included. */
  readonly messageBytesMax: number;
}

/**
 * Makes the stream ready.
 * @throws NatsServerTooOldError, StoreUnsafeError for a stream that would lose jobs, EngineNotConfiguredError for one that cannot
 * be used or made, NotWrittenError when it is not ready in time
 */
export async function provision(way: Way, options: ProvisionOptions): Promise<Provisioned> {
  const { startup, stream, prefix } = options;
  const subject = `${prefix}.journal`;
  try {
    await waitedFor("JetStream", startup.jetStreamMs, () => expectJetStream(way));
    const { config } = await waitedFor(`stream ${stream}`, startup.streamMs, () => readyStream(way, options));
    return { subject, messageBytesMax: bytesMax(way, config) };
  } catch (error) {
    throw atOpening(asStoreError(error, { what: "store.open", writes: false }));
  }
}

/** Looks again while what is in the way may pass by itself. */
async function waitedFor<T>(what: string, ms: number, look: () => Promise<T>): Promise<T> {
  const end = performance.now() + ms;
  for (;;) {
    try {
      return await look();
    } catch (error) {
      if (!(error instanceof NotReadyError) && !mayPass(error)) throw error;
      if (performance.now() >= end) throw notInTime(what, ms, error);
    }
    await new Promise((resolve) => setTimeout(resolve, defaults.nats.startupPollMs));
  }
}

/** Something is there and not yet usable. */
class NotReadyError extends Error {}

function notInTime(what: string, ms: number, error: unknown): Error {
  const said = error instanceof Error ? error.message : String(error);
  const message = `${what} was not ready within ${formatDuration(ms)}: ${said}`;
  const off = named(error, "JetStreamNotEnabled");
  if (off !== undefined) return switchedOff(off);
  if (refusalOf(error) !== undefined) {
    return new EngineNotConfiguredError(message, {
      field: "replicas",
      mend: "See that enough servers of the cluster are up and have room: nats server report jetstream.",
      cause: bare(error),
    });
  }
  return new NotWrittenError(message, {
    mend: "See that the cluster has a leader: nats server report jetstream; then open again.",
    cause: bare(error),
  });
}

/** The server is new enough, and has JetStream for this account. */
async function expectJetStream({ nc, jsm }: Way): Promise<void> {
  const { info } = nc;
  if (info === undefined) throw new NotReadyError("the connection is being made anew");
  checkVersion(info.version);
  try {
    await jsm.getAccountInfo();
  } catch (error) {
    // In a cluster others may have it, and may still be electing who answers.
    const isOff = named(error, "JetStreamNotEnabled") !== undefined && info.cluster === undefined;
    const code = refusalOf(error);
    if (!isOff && code !== refusal.notEnabled && code !== refusal.notEnabledForAccount) throw error;
    throw switchedOff(error, code);
  }
}

function switchedOff(error: unknown, code = refusalOf(error)): EngineNotConfiguredError {
  const ofAccount = code === refusal.notEnabledForAccount;
  return new EngineNotConfiguredError(
    `JetStream is switched off ${ofAccount ? "for this account" : "on this server"}`,
    {
      field: "location",
      mend: ofAccount
        ? "Switch it on for the account: jetstream: enabled in its part of the server's configuration, or limits in its JWT."
        : "Switch it on: jetstream { store_dir: PATH } in the server's configuration, or nats-server -js -sd PATH.",
      cause: bare(error),
    },
  );
}

async function readyStream(way: Way, options: ProvisionOptions): Promise<StreamInfo> {
  const { stream, prefix, mustExist } = options;
  const subject = `${prefix}.journal`;
  let info = await found(way, stream);
  if (info === undefined) {
    if (mustExist) throw noStore(`there is no stream ${stream}`);
    info = await made(way, options);
  }
  if (!covers(info.config.subjects ?? [], subject)) throw coversNot(stream, subject);
  if (info.config.allow_atomic !== true && isOurs(info.config)) {
    // Made through a server that was too old for it.
    info = await way.jsm.streams.update(stream, { allow_atomic: true });
    if (info.config.allow_atomic !== true)
      throw tooOld(way.nc.info?.version ?? "of an unknown version", "or one of its cluster is too old");
  }
  checkStream(info.config);
  const { cluster } = info;
  if (cluster !== undefined && (cluster.leader ?? "") === "") throw new NotReadyError("it has no leader yet");
  return info;
}

/** The stream of this name. */
async function found({ jsm }: Way, stream: string): Promise<StreamInfo | undefined> {
  try {
    return await jsm.streams.info(stream);
  } catch (error) {
    if (refusalOf(error) === refusal.streamNotFound) return undefined;
    throw error;
  }
}

/** Makes the stream; where another process was faster, theirs. */
async function made(way: Way, options: ProvisionOptions): Promise<StreamInfo> {
  const { stream, prefix, replicas, storage } = options;
  const subject = `${prefix}.journal`;
  const { jsm } = way;
  try {
    return await jsm.streams.add(wanted(stream, subject, replicas, storage));
  } catch (error) {
    const code = refusalOf(error);
    if (code === refusal.nameInUse) throw new NotReadyError("another process is making it");
    if (code === refusal.subjectsOverlap) throw await overlap(way, stream, subject);
    if (code === refusal.replicasUnsupported) {
      throw new EngineNotConfiguredError(`${replicas} replicas need a cluster, and the server is in none`, {
        field: "replicas",
        mend: "Leave replicas out, or connect to a cluster of as many servers.",
        cause: bare(error),
      });
    }
    throw error;
  }
}

/** What is left out has the server's default. */
function wanted(
  name: string,
  subject: string,
  replicas: number,
  storage: "file" | "memory",
): Partial<StreamConfig> & { name: string } {
  return {
    name,
    description: "Jobs and schedules of Punctual",
    subjects: [subject],
    retention: "limits",
    storage,
    num_replicas: replicas,
    max_msgs: -1,
    max_bytes: -1,
    max_age: 0,
    max_msgs_per_subject: -1,
    max_msg_size: -1,
    // With a limit that somebody sets, writes are refused instead of rows removed.
    discard: "new",
    deny_delete: true,
    deny_purge: false,
    allow_direct: true,
    allow_atomic: true,
    metadata: ourMetadata,
  };
}

async function overlap({ jsm }: Way, stream: string, subject: string): Promise<EngineNotConfiguredError> {
  let other: string | undefined;
  try {
    other = await jsm.streams.find(subject);
  } catch {
    // Several, or the user may not ask.
  }
  const whose = other === undefined ? "another stream takes" : `stream ${other} takes`;
  return new EngineNotConfiguredError(`there is no stream ${stream}, and ${whose} ${subject} already`, {
    field: "stream",
    mend:
      other === undefined
        ? "Name the stream that takes the subject in the option stream, or give the store a prefix of its own."
        : `Use it, by the option stream: "${other}", or give the store a prefix of its own.`,
  });
}

function coversNot(stream: string, subject: string): EngineNotConfiguredError {
  return new EngineNotConfiguredError(`stream ${stream} is there and does not take ${subject}`, {
    field: "stream",
    mend: `Add the subject to it (nats stream edit ${stream} --subjects ...,${subject}), or give the store a stream and a prefix of its own: nats(url, { stream, prefix }).`,
  });
}

function noStore(why: string): EngineNotConfiguredError {
  return new EngineNotConfiguredError(`there is no store on the server: ${why}`, {
    field: "location",
    mend: "Name the store's server, stream and prefix, or let `punctual migrate` create it.",
  });
}

function bytesMax({ nc }: Way, { max_msg_size: ofStream }: StreamConfig): number {
  const ofServer = nc.info?.max_payload ?? 1024 * 1024;
  return ofStream > 0 ? Math.min(ofStream, ofServer) : ofServer;
}
