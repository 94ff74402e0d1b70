// node driver.mjs FOLDER SCENARIO URL PREFIX: what one scenario saw through the official Node client, as one line of
// JSON. FOLDER is where the client is installed; names of streams begin with PREFIX. A user's name and password may follow.
import { createRequire } from "node:module";

const [folder, scenario, url, prefix, username, password] = process.argv.slice(2);
const kurrent = createRequire(`${folder}/driver.mjs`)("@kurrent/kurrentdb-client");
const { KurrentDBClient, jsonEvent, binaryEvent, eventTypeFilter, streamNameFilter, excludeSystemEvents } = kurrent;
const { ANY, BACKWARDS, END, NO_STREAM, STREAM_EXISTS } = kurrent;

const WITHIN_MS = 20_000;
const client = KurrentDBClient.connectionString(url);
const named = (name) => `${prefix}-${name}`;
const json = (type, data = {}, rest = {}) => jsonEvent({ type, data, ...rest });
const several = (count, type = "test.Happened") => Array.from({ length: count }, (_, n) => json(type, { n }));

const told = (value) =>
  JSON.stringify(value, (_, found) => {
    if (typeof found === "bigint") return Number(found);
    if (found instanceof Uint8Array || found?.type === "Buffer") return [...(found.data ?? found)];
    return found;
  });

const refused = async (asking) => {
  try {
    return { answered: await asking };
  } catch (error) {
    const { name, type, message, streamName, expectedState, actualState, maxAppendSize, violations, recordId } = error;
    const kind = error.constructor.name;
    return { kind, name, type, message, streamName, expectedState, actualState, maxAppendSize, violations, recordId };
  }
};

const collected = async (events) => {
  const found = [];
  for await (const { event, commitPosition } of events) found.push({ ...event, commitPosition });
  return found;
};

const within = (promise, what) =>
  Promise.race([
    promise,
    new Promise((_, reject) => setTimeout(() => reject(new Error(`${what} did not come`)), WITHIN_MS).unref()),
  ]);

// Everything a subscription says, and a promise of its `count`th event from now on.
const listening = (subscription) => {
  const heard = { events: [], caughtUp: [], waiting: [] };
  subscription.on("data", ({ event }) => {
    heard.events.push(event);
    heard.waiting = heard.waiting.filter(({ count, resolve }) => heard.events.length < count || resolve());
  });
  subscription.on("caughtUp", (info) => heard.caughtUp.push(info));
  subscription.on("error", (error) => (heard.error = `${error.constructor.name}: ${error.message}`));
  const events = (count) =>
    heard.events.length >= count
      ? Promise.resolve()
      : within(new Promise((resolve) => heard.waiting.push({ count, resolve })), `event ${count}`);
  return { heard, events };
};

const scenarios = {
  async append() {
    const stream = named("x");
    const first = several(2);
    const results = [
      await client.appendToStream(stream, first, { streamState: NO_STREAM }),
      await client.appendToStream(stream, json("test.Happened"), { streamState: 1n }),
      await client.appendToStream(stream, several(2), { streamState: ANY }),
      await client.appendToStream(stream, several(1), { streamState: STREAM_EXISTS }),
    ];
    const again = await client.appendToStream(stream, first, { streamState: NO_STREAM });
    const read = await collected(client.readStream(stream));
    return { results, again, read, ids: first.map(({ id }) => id) };
  },

  async content() {
    const id = "01234567-89ab-cdef-0123-456789abcdef";
    const bytes = Uint8Array.from({ length: 256 }, (_, n) => n);
    const events = [
      json("测试.事件", { text: "ü 读数", n: 1.5, nested: [null, true] }, { id, metadata: { $correlationId: "c", n: 1 } }),
      binaryEvent({ type: "test.Binary", data: bytes, metadata: bytes.slice(128) }),
    ];
    await client.appendToStream(named("流/ü?#"), events, { streamState: NO_STREAM });
    return { read: await collected(client.readStream(named("流/ü?#"))), before: Date.now() };
  },

  // All of them over the one call that the client keeps open.
  async many() {
    const streams = Array.from({ length: 40 }, (_, n) => named(`many-${n}`));
    const results = await Promise.all(streams.map((stream) => client.appendToStream(stream, several(3))));
    const late = await client.appendToStream(streams[0], several(1), { streamState: 2n });
    const wrong = await Promise.all(
      streams.map((stream, n) => refused(client.appendToStream(stream, several(1), { streamState: n % 2 ? ANY : 9n }))),
    );
    return { results, late, wrong: wrong.map(({ kind }) => kind ?? null) };
  },

  async split() {
    const stream = named("x");
    const text = "x".repeat(600_000);
    const events = Array.from({ length: 12 }, (_, n) => json("test.Large", { n, text }));
    const result = await client.appendToStream(stream, events, { streamState: NO_STREAM });
    const again = await client.appendToStream(stream, events, { streamState: NO_STREAM });
    const small = await client.appendToStream(stream, several(5), { streamState: 11n, batchAppendSize: 1 });
    const wrong = await refused(client.appendToStream(stream, several(5), { streamState: 3n, batchAppendSize: 1 }));
    const after = await client.appendToStream(stream, several(1), { streamState: 16n });
    const read = await collected(client.readStream(stream));
    return { result, again, small, wrong, after, read: read.map(({ data, revision }) => ({ n: data.n, revision })) };
  },

  async conflict() {
    const stream = named("x");
    await client.appendToStream(stream, several(3));
    const quiet = KurrentDBClient.connectionString(`${url}&throwOnAppendFailure=false`);
    const unthrown = await quiet.appendToStream(stream, several(1), { streamState: NO_STREAM });
    await quiet.dispose();
    return {
      ahead: await refused(client.appendToStream(stream, several(1), { streamState: 0n })),
      noStream: await refused(client.appendToStream(stream, several(1), { streamState: NO_STREAM })),
      missing: await refused(client.appendToStream(named("none"), several(1), { streamState: 5n })),
      exists: await refused(client.appendToStream(named("none"), several(1), { streamState: STREAM_EXISTS })),
      tooLarge: await refused(client.appendToStream(stream, json("test.Large", { text: "x".repeat(1 << 20) }))),
      unthrown,
      left: (await collected(client.readStream(stream))).length,
    };
  },

  async read() {
    const stream = named("x");
    await client.appendToStream(stream, several(5));
    const revisions = async (options) =>
      (await collected(client.readStream(stream, options))).map(({ revision }) => revision);
    return {
      all: await revisions({}),
      from: await revisions({ fromRevision: 3n }),
      limited: await revisions({ fromRevision: 1n, maxCount: 2 }),
      backwards: await revisions({ direction: BACKWARDS, fromRevision: END }),
      backwardsFrom: await revisions({ direction: BACKWARDS, fromRevision: 2n, maxCount: 2 }),
      beyond: await revisions({ fromRevision: 50n }),
      missing: await refused(collected(client.readStream(named("none")))),
    };
  },

  async readAll() {
    const types = ["test.Red", "test.Green", "test.Blue", "test.Red"];
    for (const [n, type] of types.entries()) await client.appendToStream(named(`s${n % 2}`), json(type, { n }));
    const ours = async (options) =>
      (await collected(client.readAll(options)))
        .filter(({ streamId }) => streamId.startsWith(prefix))
        .map(({ data, streamId }) => `${data.n} ${streamId.slice(prefix.length + 1)}`);
    const [first] = await collected(client.readStream(named("s0"), { maxCount: 1 }));
    const fromPosition = first.position;
    return {
      from: await ours({ fromPosition }),
      limited: await ours({ fromPosition, maxCount: 2 }),
      backwards: await ours({ direction: BACKWARDS, fromPosition: END }),
      types: await ours({ fromPosition, filter: eventTypeFilter({ regex: "^test\\.(Red|Blue)$" }) }),
      prefixes: await ours({ fromPosition, filter: eventTypeFilter({ prefixes: ["test.G", "test.B"] }) }),
      streams: await ours({ fromPosition, filter: streamNameFilter({ prefixes: [named("s1")] }) }),
      pattern: await ours({ fromPosition, filter: streamNameFilter({ regex: "s0$" }) }),
      noSystem: await ours({ fromPosition, filter: excludeSystemEvents() }),
      position: [first.position, first.commitPosition],
    };
  },

  async readMuch() {
    await client.appendToStream(named("x"), several(4_000));
    const read = await collected(client.readStream(named("x")));
    return { inOrder: read.every(({ data, revision }, n) => data.n === n && revision === BigInt(n)), count: read.length };
  },

  async subscribeStream() {
    const stream = named("x");
    await client.appendToStream(stream, several(3));
    const subscriptions = [
      client.subscribeToStream(stream),
      client.subscribeToStream(stream, { fromRevision: 1n }),
      client.subscribeToStream(stream, { fromRevision: END }),
    ];
    const listeners = subscriptions.map(listening);
    await Promise.all(subscriptions.map((one) => within(new Promise((done) => one.once("caughtUp", done)), "caughtUp")));
    await client.appendToStream(stream, several(2));
    await Promise.all([5, 3, 2].map((count, n) => listeners[n].events(count)));
    await Promise.all(subscriptions.map((one) => one.unsubscribe()));
    return listeners.map(({ heard }) => ({
      revisions: heard.events.map(({ revision }) => revision),
      caughtUp: heard.caughtUp[0],
      error: heard.error,
    }));
  },

  async subscribeAll() {
    const checkpoints = [];
    const start = (await client.appendToStream(named("start"), several(1))).position;
    const filter = eventTypeFilter({
      prefixes: [`${prefix}.Red`],
      maxSearchWindow: 10,
      checkpointInterval: 2,
      checkpointReached: (_, position) => void checkpoints.push(position.commit),
    });
    await client.appendToStream(named("x"), several(100, `${prefix}.Blue`));
    await client.appendToStream(named("x"), several(2, `${prefix}.Red`));
    const subscription = client.subscribeToAll({ fromPosition: start, filter });
    const { heard, events } = listening(subscription);
    await events(2);
    const end = await client.appendToStream(named("y"), several(1, `${prefix}.Red`));
    await events(3);
    await subscription.unsubscribe();
    const { error, caughtUp } = heard;
    return { start, end, checkpoints, caughtUp, error, types: heard.events.map(({ type }) => type) };
  },

  // Pings far oftener than any client is set to: nothing is said but them, and then an event comes.
  async keepalive() {
    const pinging = KurrentDBClient.connectionString(`${url}&keepAliveInterval=100`);
    const subscription = pinging.subscribeToStream(named("x"));
    const { heard, events } = listening(subscription);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await client.appendToStream(named("x"), several(1));
    await events(1);
    await subscription.unsubscribe();
    return { error: heard.error, count: heard.events.length };
  },

  async severalStreams() {
    const request = (name, expectedState, events = several(2)) => ({ streamName: named(name), expectedState, events });
    const record = (name, metadata) => ({ streamName: named(name), record: json("test.Happened", {}, { metadata }) });
    const check = (name, expectedState) => ({ type: kurrent.STREAM_STATE, streamName: named(name), expectedState });
    const first = [request("a", NO_STREAM), request("b", ANY)];
    const session = await client.multiStreamAppend(first);
    const again = await client.multiStreamAppend(first);
    const wrong = await refused(client.multiStreamAppend([request("c", NO_STREAM), request("a", 0n)]));
    const records = [record("a", { actor: "x" }), record("d"), record("a")];
    const appended = await client.appendRecords(records, [check("b", 1n), check("none", NO_STREAM)]);
    const failed = await refused(client.appendRecords([record("e")], [check("a", 3n), check("b", NO_STREAM)]));
    const left = await refused(collected(client.readStream(named("c"))));
    const read = await collected(client.readStream(named("a")));
    return { session, again, wrong, appended, failed, left, read };
  },

  async metadata() {
    const stream = named("x");
    const before = await client.getStreamMetadata(stream);
    const set = await client.setStreamMetadata(stream, { owner: "a", cacheControl: 60 }, { streamState: NO_STREAM });
    const after = await client.getStreamMetadata(stream);
    const wrong = await refused(client.setStreamMetadata(stream, { owner: "b" }, { streamState: NO_STREAM }));
    const forgetful = await Promise.all(
      [{ maxAge: 1 }, { maxCount: 1 }, { truncateBefore: 1 }].map((one) => refused(client.setStreamMetadata(stream, one))),
    );
    return { before, set, after, wrong, forgetful };
  },

  async unknown() {
    return {
      append: await refused(client.appendToStream(named("x"), several(1))),
      read: await refused(collected(client.readStream(named("x")))),
      readAll: await refused(collected(client.readAll())),
      metadata: await refused(client.getStreamMetadata(named("x"))),
      deleted: await refused(client.deleteStream(named("x"))),
    };
  },

  // The credentials of the URL may not append here, those of the calls may.
  async credentials() {
    const [stream, events, credentials] = [named("x"), several(2), { username, password }];
    const append = (some, streamState) => client.appendToStream(stream, some, { streamState, credentials });
    return {
      denied: await refused(client.appendToStream(stream, events)),
      result: await append(events, NO_STREAM),
      again: await append(events, NO_STREAM),
      wrong: await refused(append(several(1), 7n)),
      tooLarge: await refused(append([json("test.Large", { text: "x".repeat(1 << 20) })], ANY)),
      read: await collected(client.readStream(stream, { credentials })),
    };
  },

  async refusals() {
    const stream = named("x");
    await client.appendToStream(stream, several(2));
    const settings = kurrent.persistentSubscriptionToStreamSettingsFromDefaults();
    const settingsOfAll = kurrent.persistentSubscriptionToAllSettingsFromDefaults();
    const read = (subscription) => new Promise((done, failed) => subscription.on("error", failed).on("data", done));
    return {
      deleted: await refused(client.deleteStream(stream)),
      deletedAt: await refused(client.deleteStream(stream, { expectedRevision: 9n })),
      tombstoned: await refused(client.tombstoneStream(stream)),
      lists: await Promise.all([
        refused(client.listAllPersistentSubscriptions()),
        refused(client.listPersistentSubscriptionsToStream(stream)),
        refused(client.listPersistentSubscriptionsToAll()),
      ]),
      persistent: await Promise.all([
        refused(client.createPersistentSubscriptionToStream(stream, "group", settings)),
        refused(client.createPersistentSubscriptionToAll("group", settingsOfAll)),
        refused(client.updatePersistentSubscriptionToStream(stream, "group", settings)),
        refused(client.updatePersistentSubscriptionToAll("group", settingsOfAll)),
        refused(client.deletePersistentSubscriptionToStream(stream, "group")),
        refused(client.deletePersistentSubscriptionToAll("group")),
        refused(client.getPersistentSubscriptionToStreamInfo(stream, "group")),
        refused(client.getPersistentSubscriptionToAllInfo("group")),
        refused(client.replayParkedMessagesToStream(stream, "group")),
        refused(client.replayParkedMessagesToAll("group")),
        refused(client.restartPersistentSubscriptionSubsystem()),
        refused(read(client.subscribeToPersistentSubscriptionToStream(stream, "group"))),
        refused(read(client.subscribeToPersistentSubscriptionToAll("group"))),
      ]),
      projection: await refused(client.createProjection("p", "fromAll()")),
      left: (await collected(client.readStream(stream))).length,
    };
  },
};

try {
  console.log(told(await scenarios[scenario]()));
} finally {
  await client.dispose();
}
process.exit(0);
