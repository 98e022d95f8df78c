"use strict";

// All that the scripts of the page share stands in this one object.
const Page = {};

// Text of records comes in here as text nodes and attributes, never as markup.
Page.h = (tag, attributes, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (typeof value === "function") node.addEventListener(name.slice(2), value);
    else node.setAttribute(name, value === true ? "" : value);
  }
  node.append(...children.flat(4).filter((c) => c !== null && c !== undefined && c !== false));
  return node;
};

Page.byId = (id) => document.getElementById(id);

Page.button = (label, act, attributes = {}) => Page.h("button", { type: "button", onclick: act, ...attributes }, label);

Page.option = (value, label, selected) => {
  const option = Page.h("option", { value }, label ?? value);
  option.selected = selected === true;
  return option;
};

const grouped = new Intl.NumberFormat("en-US");
Page.number = (n) => grouped.format(n);

// 1,204 does not fit into a mark of the timeline, 1.2k does.
Page.short = (n) =>
  n < 1000
    ? String(n)
    : n < 9950
      ? `${(n / 1000).toFixed(1)}k`
      : n < 999500
        ? `${Math.round(n / 1000)}k`
        : `${(n / 1e6).toFixed(1)}M`;

Page.many = (n, one, more = `${one}s`) => `${Page.number(n)} ${n === 1 ? one : more}`;

Page.sum = (counts) => Object.values(counts ?? {}).reduce((a, b) => a + b, 0);

// What has been done, for those who do not see it.
Page.say = (text) => {
  Page.byId("said").textContent = text;
};

// The first index whose value is not below `x`.
Page.lower = (sorted, x, from = 0, to = sorted.length) => {
  while (from < to) {
    const mid = (from + to) >> 1;
    if (sorted[mid] < x) from = mid + 1;
    else to = mid;
  }
  return from;
};

// The first index whose value is above `x`.
Page.upper = (sorted, x, from = 0, to = sorted.length) => {
  while (from < to) {
    const mid = (from + to) >> 1;
    if (sorted[mid] <= x) from = mid + 1;
    else to = mid;
  }
  return from;
};

// One call for a row of them, before the next frame.
Page.soon = (act) => {
  let asked = false;
  return () => {
    if (asked) return;
    asked = true;
    const once = () => {
      if (!asked) return;
      asked = false;
      act();
    };
    requestAnimationFrame(once);
    // A tab that is not shown paints no frames.
    setTimeout(once, 100);
  };
};

Page.later = (act, ms) => {
  let timer = 0;
  return (...all) => {
    clearTimeout(timer);
    timer = setTimeout(() => act(...all), ms);
  };
};

Page.calm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;
Page.narrow = () => matchMedia("(max-width: 720px)").matches;

// Shapes tell marks apart where colours cannot. Each is drawn around 0, and five units high and wide at most to each side.
Page.SHAPES = {
  request: ["M-1.6-5H1.6V5H-1.6Z", true, "request to the CA"],
  validation: ["M0-5L5 0L0 5L-5 0Z", false, "validation"],
  decision: ["M-4 0A4 4 0 1 1 4 0A4 4 0 1 1-4 0Z", false, "decision of a controller"],
  event: ["M-1.9 0A1.9 1.9 0 1 1 1.9 0A1.9 1.9 0 1 1-1.9 0Z", true, "event"],
  issued: ["M0-5.4L1.6-1.8L5.4-1.5L2.5 1L3.4 4.8L0 2.7L-3.4 4.8L-2.5 1L-5.4-1.5L-1.6-1.8Z", true, "certificate issued"],
  revoked: ["M-4-4L4 4M4-4L-4 4", false, "revoked"],
  ready: ["M-4.4 0A4.4 4.4 0 1 1 4.4 0A4.4 4.4 0 1 1-4.4 0Z", true, "ready"],
  limit: ["M-4-4H4V4H-4Z", true, "limit of the CA"],
  fault: ["M-5-4H5L0 5Z", false, "fault"],
  query: ["M-3.4-3.4H3.4L0 3.6Z", true, "DNS query"],
  proxied: ["M-3.4-4.6L4.4 0L-3.4 4.6Z", false, "request through the ingress"],
  action: ["M-4-5H4V1.5L0 5L-4 1.5Z", true, "somebody did this"],
  process: ["M-4.6 0L-2.3-4.2H2.3L4.6 0L2.3 4.2H-2.3Z", false, "process"],
  audit: ["M-4-4H4V4H-4Z", false, "call to a provider"],
  line: ["M-.8-4.5H.8V4.5H-.8Z", true, "line of the log"],
  write: ["M-4.4-1.4H4.4V1.4H-4.4Z", true, "write to the API server"],
  trouble: ["M0-5.4L5.8 4.8H-5.8ZM-.7-1.8V1.6H.7V-1.8ZM-.7 2.6V3.9H.7V2.6Z", true, "something went wrong"],
};

Page.shape = (kind, className = "") => {
  const [path, filled] = Page.SHAPES[kind] ?? Page.SHAPES.event;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const d = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [name, value] of Object.entries({
    viewBox: "-7 -7 14 14",
    class: `shape ${className}`,
    "aria-hidden": "true",
  }))
    svg.setAttribute(name, value);
  d.setAttribute("d", path);
  d.setAttribute("fill-rule", "evenodd");
  if (!filled) d.setAttribute("class", "hollow");
  svg.append(d);
  return svg;
};

// An ablation has to differ: what was taken away is what the scenario is about.
Page.verdict = ({ outcome, without }) => {
  const kind = outcome.kind;
  if (kind === "passed")
    return without === null
      ? { kind, word: "passed", good: true, shape: "ready" }
      : { kind, word: "passes all the same", good: false, shape: "trouble" };
  if (kind === "differs")
    return without === null
      ? { kind, word: "differs", good: false, shape: "trouble" }
      : { kind, word: "differs, as it must", good: true, shape: "decision" };
  return { kind, word: "stopped", good: false, shape: "limit" };
};

Page.outcome = (run) => {
  const verdict = Page.verdict(run);
  return Page.h("span", { class: `outcome ${verdict.good ? "good" : "bad"}` }, Page.shape(verdict.shape), verdict.word);
};
