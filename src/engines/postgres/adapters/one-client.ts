// One client for each transaction, however often the caller adapts it: calls on the same client take turns.

/** Makes `adapt` answer the same client for the same transaction. */
export function oneClientEach<Tx extends object, Client>(adapt: (tx: Tx) => Client): (tx: Tx) => Client {
  const clients = new WeakMap<Tx, Client>();
  return (tx) => {
    let client = clients.get(tx);
    if (client === undefined) {
      client = adapt(tx);
      clients.set(tx, client);
    }
    return client;
  };
}
