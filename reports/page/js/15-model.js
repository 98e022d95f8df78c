// What the views need of a record, computed once when it is opened.

const GROUPS = [
  ["people and faults", /^(people|fault|clock|injected|link)\b/],
  ["engine", /^(controller|engine|log)\b/],
  ["CA", /^(CA|acme)\b/],
  ["DNS", /^(DNS|provider)\b/],
  ["cluster", /./],
];

// A write to the API server as a mark of the time line.
Page.writeMark = (write) => ({
  at: write.at,
  lasts: 0,
  kind: "write",
  text: `${write.change} ${write.object}, version ${write.version}`,
  object: write.object,
  trouble: false,
  cause: null,
  log: -1,
});

Page.groupOf = (lane) => GROUPS.find(([, pattern]) => pattern.test(lane))[0];

// "controller certificates-trigger" stands below "engine", where its first word says nothing new.
const laneLabel = (lane) => lane.replace(/^(controller|CA|DNS|fault) (?=\S)/, "");

Page.model = (run, record) => {
  const model = { run, record, clock: Page.clock(record.start), end: record.virtualNanos };
  const lanes = new Map();
  const lane = (key, label, group, tag) => {
    if (!lanes.has(key)) lanes.set(key, { key, label, group, tag, items: [] });
    return lanes.get(key);
  };
  const put = (where, item) => {
    where.items.push(item);
    model.end = Math.max(model.end, item.at + item.lasts);
  };

  record.events.forEach((event) =>
    put(lane(event.lane, laneLabel(event.lane), Page.groupOf(event.lane), ""), { ...event, log: -1 }),
  );
  record.log.forEach((line, n) => {
    const controller = `controller ${line.source}`;
    put(lane(`log ${line.source}`, line.source, "engine", "log"), {
      at: line.nanos,
      lasts: 0,
      lane: controller,
      kind: "line",
      text: line.text,
      object: line.object,
      trouble: line.severity === "error",
      cause: null,
      log: n,
    });
  });
  record.writes.forEach((write) =>
    put(lane("API server writes", "API server", "cluster", "writes"), Page.writeMark(write)),
  );

  // What was injected over a time is a band; where no event tells of it, it gets a mark of its own.
  model.bands = record.injected
    .filter((one) => one.from !== null)
    .map((one) => ({
      from: one.from,
      until: one.until ?? record.virtualNanos,
      text: `${one.where}: ${Page.inWords(one.what)}`,
    }));
  const told = new Set(record.events.filter((e) => e.kind === "fault").map((e) => e.at));
  for (const one of record.injected) {
    if (one.from === null || told.has(one.from)) continue;
    put(lane(`injected ${one.where}`, one.where, "people and faults", "injected"), {
      at: one.from,
      lasts: Math.max(0, (one.until ?? record.virtualNanos) - one.from),
      kind: "fault",
      text: Page.inWords(one.what),
      object: null,
      trouble: false,
      cause: null,
      log: -1,
    });
  }

  const order = new Map(GROUPS.map(([name], n) => [name, n]));
  // A controller's log stands below its decisions.
  const place = (l) => [order.get(l.group), l.label === "engine" ? "" : l.group === "engine" ? l.label : l.key, l.tag];
  const compare = (a, b) => {
    for (let n = 0; n < a.length; n += 1) if (a[n] !== b[n]) return a[n] < b[n] ? -1 : 1;
    return 0;
  };
  model.lanes = [...lanes.values()].sort((a, b) => compare(place(a), place(b)));
  model.lanes.forEach(index);

  model.groups = GROUPS.map(([name]) => {
    const own = model.lanes.filter((l) => l.group === name);
    const group = {
      key: `group ${name}`,
      label: name,
      group: name,
      tag: "",
      heads: true,
      lanes: own,
      items: own.flatMap((l) => l.items),
      open: true,
    };
    index(group);
    return group;
  }).filter((group) => group.lanes.length > 0);

  model.objects = objectsOf(record);
  model.logTimes = Float64Array.from(record.log, (line) => line.nanos);
  // The widest time that a column has to hold, in digits.
  model.timeWidth =
    Math.max(
      8,
      ...[
        model.end,
        ...record.log.filter((_, n) => n % Math.ceil(record.log.length / 200) === 0).map((line) => line.nanos),
      ].map((t) => Page.span(t).length),
    ) + 0.5;
  model.all = { key: "all", items: model.lanes.flatMap((l) => l.items) };
  index(model.all);
  return model;
};

// Times and sums beside the marks of a lane: what is drawn is found by halving, whatever the number.
function index(lane) {
  lane.items.sort((a, b) => a.at - b.at || a.log - b.log);
  const { items } = lane;
  lane.at = Float64Array.from(items, (item) => item.at);
  lane.troubles = new Uint32Array(items.length + 1);
  lane.about = new Uint32Array(items.length + 1);
  items.forEach((item, n) => {
    lane.troubles[n + 1] = lane.troubles[n] + (item.trouble ? 1 : 0);
  });
  lane.long = items
    .map((_, n) => n)
    .filter((n) => items[n].lasts > 0)
    .sort((a, b) => items[b].lasts - items[a].lasts);
  lane.cursor = -1;
}

// How many marks up to each are about the selected object.
Page.relate = (lane, object) => {
  const { items, about } = lane;
  for (let n = 0; n < items.length; n += 1)
    about[n + 1] = about[n] + (object !== null && items[n].object === object ? 1 : 0);
};

function objectsOf(record) {
  const objects = new Map();
  for (const write of record.writes) {
    if (!objects.has(write.object)) {
      const [kind, ...path] = write.object.split(" ");
      objects.set(write.object, { name: write.object, kind, path: path.join(" "), writes: [], states: new Map() });
    }
    objects.get(write.object).writes.push(write);
  }
  for (const object of objects.values()) object.at = Float64Array.from(object.writes, (write) => write.at);
  return objects;
}

// What there is at a time, or the last thing before it; of several at once that about `object`, then trouble.
Page.thingAt = (model, at, object) => {
  const { items, at: times } = model.all;
  const from = Page.lower(times, at),
    to = Page.upper(times, at);
  const here = items.slice(from, Math.min(to, from + 400));
  if (here.length === 0) return from > 0 ? { item: items[from - 1], exact: false } : { item: null, exact: false };
  const rank = (item) =>
    (item.object === object && object !== null ? 0 : 4) + (item.trouble ? 0 : 2) + (item.kind === "write" ? 1 : 0);
  return { item: here.reduce((best, item) => (rank(item) < rank(best) ? item : best)), exact: true, count: to - from };
};
