/** Folders of test/ whose tests need servers, see scripts/services.ts. */
export const foldersWithServers: readonly string[] = [
  "adapters",
  "bullmq",
  "chaos",
  "nats",
  "postgres",
  "redis",
  "servers",
];
