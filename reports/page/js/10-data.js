// The index, and the records behind it. A record is unpacked when somebody opens it.

Page.index = null;

// A run is addressed by its scenario and what was taken away; a second one like it gets its number.
Page.readIndex = () => {
  const index = JSON.parse(Page.byId("index").textContent);
  const seen = new Map();
  index.runs.forEach((run, n) => {
    const base =
      run.without === null || run.without === undefined ? run.scenario : `${run.scenario}/without ${run.without}`;
    run.without ??= null;
    const times = (seen.get(base) ?? 0) + 1;
    seen.set(base, times);
    run.n = n;
    run.id = times === 1 ? base : `${base}#${times}`;
    run.label = run.without === null ? run.scenario : `${run.scenario}, without ${run.without}`;
    if (times > 1) run.label += ` (${times})`;
    run.requests = Page.sum(run.counts.caRequests);
    run.written = Page.writesOf(run.counts.apiCalls);
  });
  index.byId = new Map(index.runs.map((run) => [run.id, run]));
  Page.index = index;
};

// Reading calls change nothing, and are not counted among the writes.
Page.writesOf = (calls) =>
  Page.sum(Object.fromEntries(Object.entries(calls ?? {}).filter(([name]) => !/^(Get|List|Watch)\b/.test(name))));

// A scenario and its ablations, in the order of the index.
Page.families = () => {
  const families = new Map();
  for (const run of Page.index.runs) {
    if (!families.has(run.scenario)) families.set(run.scenario, []);
    families.get(run.scenario).push(run);
  }
  for (const runs of families.values()) runs.sort((a, b) => (a.without !== null) - (b.without !== null) || a.n - b.n);
  return [...families.values()];
};

Page.relatives = (run) => Page.index.runs.filter((other) => other.scenario === run.scenario && other !== run);

const unpacked = new Map();

Page.unpack = async (n) => {
  if (unpacked.has(n)) return unpacked.get(n);
  if (typeof DecompressionStream === "undefined")
    throw new Error(
      "This browser cannot unpack the runs (it has no DecompressionStream). Chrome 103, Firefox 113, Safari 16.4 and later can.",
    );
  const node = document.querySelector(`script.run[data-n="${n}"]`);
  if (!node) throw new Error("This report does not have the record of that run.");
  const binary = atob(node.textContent.trim());
  const bytes = Uint8Array.from(binary, (c) => c.charCodeAt(0));
  const stream = new Blob([bytes]).stream().pipeThrough(new DecompressionStream("deflate-raw"));
  const record = JSON.parse(await new Response(stream).text());
  // Big records are tens of megabytes: the last few are kept, the others unpacked again.
  unpacked.set(n, record);
  if (unpacked.size > 4) unpacked.delete(unpacked.keys().next().value);
  return record;
};

// A line of the log as the release prints it, taken apart: where in the source, what is said, and the rest.
const HEAD = /^[IWEF]\d{4} \d\d:\d\d:\d\d\.\d+\s+\d+ ([^\]]+)\] /;
const NEW_STYLE = /^"((?:[^"\\]|\\.)*)"\s?/;
const OLD_STYLE = /^([\w./-]+) "msg"="((?:[^"\\]|\\.)*)"\s?/;

Page.takeApart = (text) => {
  const head = HEAD.exec(text);
  const body = head ? text.slice(head[0].length) : text;
  const place = head ? head[1] : "";
  const old = OLD_STYLE.exec(body);
  if (old) return { place, logger: old[1], message: old[2], rest: body.slice(old[0].length), body };
  const now = NEW_STYLE.exec(body);
  if (now) return { place, logger: "", message: now[1].replace(/\\"/g, '"'), rest: body.slice(now[0].length), body };
  return { place, logger: "", message: body, rest: "", body };
};

// A rule as the script has it is JSON; what it does not say (null, nothing, zero) is left out, and the rest set in words.
Page.inWords = (text) => {
  const from = text.indexOf("{");
  if (from < 0) return text;
  let rule;
  try {
    rule = JSON.parse(text.slice(from));
  } catch {
    return text;
  }
  const says = (value) =>
    value !== null &&
    value !== false &&
    value !== 0 &&
    value !== "" &&
    value !== "0s" &&
    !(typeof value === "object" && words(value) === "");
  const words = (value) => {
    if (Array.isArray(value))
      return value
        .filter(says)
        .map((v) => (typeof v === "object" ? words(v) : String(v)))
        .join(", ");
    return Object.entries(value)
      .filter(([, v]) => says(v))
      .map(([key, v]) =>
        `${key.replace(/[A-Z]/g, (c) => ` ${c.toLowerCase()}`)} ${v === true ? "" : typeof v === "object" ? words(v) : String(v)}`.trim(),
      )
      .join(", ");
  };
  // The members of the rule are set apart, what is within them is not.
  const parts = Object.entries(rule)
    .filter(([, v]) => says(v))
    .map(([key, v]) => words({ [key]: v }));
  return `${text.slice(0, from)}${parts.join("; ")}`;
};

// For the lists, where the line counts for what it says: the fields that only say who speaks are left to the line in full.
Page.gist = (rest) =>
  rest.replace(/\b"?(logger|resource_version|resource_kind|resource_namespace|type)"?="[^"]*"\s?/g, "");
