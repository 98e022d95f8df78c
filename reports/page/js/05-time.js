// Times are nanoseconds after the start of a run. A double holds 104 days of them to the nanosecond.

Page.MS = 1e6;
Page.S = 1e9;
Page.MIN = 60e9;
Page.H = 3600e9;
Page.D = 86400e9;

// "14m46.575s", as the command line writes it.
Page.span = (nanos, digits = 3) => {
  if (nanos < 0) return `-${Page.span(-nanos, digits)}`;
  const unit = 10 ** (9 - digits);
  const whole = Math.round(nanos / unit) * unit;
  const fraction = (value, places) => {
    const text = value.toFixed(Math.max(0, places));
    return text.includes(".") ? text.replace(/\.?0+$/, "") : text;
  };
  if (whole < Page.MS && digits > 3) return whole === 0 ? "0s" : `${fraction(whole / 1e3, digits - 6)}µs`;
  if (whole < Page.S) return whole === 0 ? "0s" : `${fraction(whole / Page.MS, digits - 3)}ms`;
  const days = Math.floor(whole / Page.D),
    hours = Math.floor((whole % Page.D) / Page.H),
    minutes = Math.floor((whole % Page.H) / Page.MIN);
  let text = days ? `${days}d` : "";
  if (days || hours) text += `${hours}h`;
  if (days || hours || minutes) text += `${minutes}m`;
  return `${text}${fraction((whole % Page.MIN) / Page.S, digits)}s`;
};

// The same in two parts, so that a narrow column breaks it before the seconds.
Page.spanParts = (nanos) => {
  const [, long, seconds] = /^(.*[dhm])?([^dhm]*m?s)$/.exec(Page.span(nanos)) ?? [null, "", Page.span(nanos)];
  return [long, seconds].filter(Boolean).map((part) => Page.h("span", { class: "part-of-time" }, part));
};

// As short as a label of the axis may be: "1h30m", "45s", "2d".
Page.tickSpan = (nanos, step) => {
  const digits = step >= Page.S ? 0 : Math.min(9, Math.ceil(-Math.log10(step / Page.S) - 1e-9));
  const text = Page.span(nanos, digits);
  return (
    text
      .replace(/([dhm])0s$/, "$1")
      .replace(/([dh])0m$/, "$1")
      .replace(/d0h$/, "d") || "0s"
  );
};

// How long, when nobody needs the seconds of it: "11h 58m".
Page.about = (nanos) => {
  const parts = [
    [Page.D, "d"],
    [Page.H, "h"],
    [Page.MIN, "m"],
    [Page.S, "s"],
    [Page.MS, "ms"],
    [1e3, "µs"],
    [1, "ns"],
  ];
  const n = parts.findIndex(([unit]) => nanos >= unit);
  if (n < 0) return "0s";
  const [unit, name] = parts[n];
  const next = n < 3 ? Math.floor((nanos % unit) / parts[n + 1][0]) : 0;
  return `${Math.floor(nanos / unit)}${name}${next ? ` ${next}${parts[n + 1][1]}` : ""}`;
};

const two = (n) => String(n).padStart(2, "0");

// The clock on the wall at the start, as whole seconds and nanoseconds: Date knows milliseconds only.
Page.clock = (start) => {
  const [, whole, , digits = ""] = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.(\d+))?/.exec(start) ?? [
    null,
    "1970-01-01T00:00:00",
  ];
  const seconds = Date.parse(`${whole}Z`) / 1000,
    sub = Number(digits.padEnd(9, "0").slice(0, 9));
  const at = (nanos) => {
    const all = sub + nanos;
    return [new Date((seconds + Math.floor(all / Page.S)) * 1000), ((all % Page.S) + Page.S) % Page.S];
  };
  const fraction = (nanos, digits) =>
    digits > 0 ? `.${String(Math.floor(nanos)).padStart(9, "0").slice(0, digits)}` : "";
  return {
    time(nanos, digits = 3) {
      const unit = 10 ** (9 - digits);
      const [date, rest] = at(Math.round(nanos / unit) * unit);
      return `${two(date.getUTCHours())}:${two(date.getUTCMinutes())}:${two(date.getUTCSeconds())}${fraction(rest, digits)}`;
    },
    day: (nanos) => at(nanos)[0].toISOString().slice(0, 10),
    offset: (((seconds % 86400) + 86400) % 86400) * Page.S + sub,
  };
};

const STEPS = [
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * 1e3),
  ...[1, 2, 5, 10, 20, 50, 100, 200, 500].map((n) => n * 1e6),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * Page.S),
  ...[1, 2, 5, 10, 15, 30].map((n) => n * Page.MIN),
  ...[1, 2, 3, 6, 12].map((n) => n * Page.H),
  ...[1, 2, 5, 10, 20, 50].map((n) => n * Page.D),
];

// The smallest sensible step that is at least `least` nanoseconds.
Page.step = (least) => STEPS.find((step) => step >= least) ?? Page.D * 100;
