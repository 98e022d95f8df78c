// An object as text, and what a write has changed in it.

// RFC 7386.
Page.merge = (target, patch) => {
  if (patch === null || typeof patch !== "object" || Array.isArray(patch)) return patch;
  const result = target !== null && typeof target === "object" && !Array.isArray(target) ? { ...target } : {};
  for (const [key, value] of Object.entries(patch)) {
    if (value === null) delete result[key];
    else result[key] = Page.merge(result[key], value);
  }
  return result;
};

// The state after write `n`; -1 is before the first, and a deletion leaves null. What was computed on the way is kept at every 32nd.
Page.stateAt = (object, n) => {
  if (n < 0) return null;
  let from = n;
  while (from >= 0 && !object.states.has(from) && object.writes[from].change !== "added") from -= 1;
  let state = from < 0 ? null : (object.states.get(from) ?? null);
  let next = object.states.has(from) ? from + 1 : Math.max(0, from);
  for (; next <= n; next += 1) {
    const { change, patch } = object.writes[next];
    state = change === "deleted" ? null : change === "added" ? patch : Page.merge(state ?? {}, patch);
    if (next % 32 === 0) object.states.set(next, state);
  }
  return state;
};

const FIRST = ["apiVersion", "kind", "metadata", "type", "spec"],
  LAST = ["status"];
const PLAIN = /^[A-Za-z_./][\w./ @+=,-]*$/;
const WORDS = /^(true|false|null|yes|no|on|off|y|n|~)$/i;

function scalar(value, full) {
  if (typeof value !== "string") return String(value);
  const quoted = PLAIN.test(value) && !WORDS.test(value) && !value.endsWith(" ") ? value : JSON.stringify(value);
  if (full || quoted.length <= 180) return quoted;
  return `${quoted.slice(0, 96)} … (${Page.number(value.length)} characters)`;
}

const empty = (value) => (Array.isArray(value) ? value.length === 0 : Object.keys(value).length === 0);
const nested = (value) => value !== null && typeof value === "object" && !empty(value);
const flat = (value, full) =>
  value !== null && typeof value === "object" ? (Array.isArray(value) ? "[]" : "{}") : scalar(value, full);

// Lines like YAML: enough to be read, and to be compared line by line.
Page.yaml = (value, full = false) => {
  const lines = [];
  const keyed = (key) => (PLAIN.test(key) || /^[\w./-]+$/.test(key) ? key : JSON.stringify(key));
  const write = (node, indent, lead) => {
    if (Array.isArray(node)) {
      for (const item of node) {
        if (nested(item)) write(item, `${indent}  `, `${indent}- `);
        else lines.push(`${indent}- ${flat(item, full)}`);
      }
      return;
    }
    let start = lead ?? indent;
    for (const [key, inner] of Object.entries(node)) {
      if (nested(inner)) {
        lines.push(`${start}${keyed(key)}:`);
        write(inner, Array.isArray(inner) ? indent : `${indent}  `, null);
      } else lines.push(`${start}${keyed(key)}: ${flat(inner, full)}`);
      start = indent;
    }
  };
  if (value === null || typeof value !== "object") return [flat(value, full)];
  const rank = (key) => (FIRST.includes(key) ? FIRST.indexOf(key) : LAST.includes(key) ? 100 : 50);
  write(
    Object.fromEntries(
      Object.entries(value)
        .map((entry, n) => [entry, n])
        .sort(([a, m], [b, n]) => rank(a[0]) - rank(b[0]) || m - n)
        .map(([entry]) => entry),
    ),
    "",
    null,
  );
  return lines;
};
