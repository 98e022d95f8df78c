// From time to the width of the timeline and back. To scale, or with silence squeezed: runs have bursts of milliseconds and hours of nothing.

const BREAKS = 14;

Page.scaleOf = (pieces) => {
  const t = pieces.map((p) => p.t0),
    u = pieces.map((p) => p.u0);
  const find = (edges, x) => pieces[Math.max(0, Page.upper(edges, x) - 1)];
  return {
    pieces,
    width: pieces.at(-1).u1,
    toU(time) {
      const p = find(t, time);
      return p.u0 + ((time - p.t0) * (p.u1 - p.u0)) / (p.t1 - p.t0);
    },
    toTime(x) {
      const p = find(u, x);
      return p.t0 + ((x - p.u0) * (p.t1 - p.t0)) / (p.u1 - p.u0);
    },
  };
};

Page.trueScale = (end) => Page.scaleOf([{ t0: 0, t1: Math.max(1, end), u0: 0, u1: Math.max(1, end), silent: false }]);

// Stretches without a mark become narrow; what is left gets room by its length, but none gets next to nothing.
Page.squeezedScale = (model) => {
  const end = Math.max(1, model.end);
  const edges = silences(model, end);
  const spans = [];
  let from = 0;
  for (const [a, b] of edges) {
    if (a > from) spans.push({ t0: from, t1: a, silent: false });
    spans.push({ t0: a, t1: b, silent: true });
    from = b;
  }
  if (from < end) spans.push({ t0: from, t1: end, silent: false });
  const loud = spans.filter((s) => !s.silent);
  const total = loud.reduce((sum, s) => sum + Math.sqrt(s.t1 - s.t0), 0) || 1;
  const room = 1 - Math.min(0.4, 0.035 * (spans.length - loud.length));
  let u = 0;
  for (const span of spans) {
    const share = span.silent
      ? (1 - room) / (spans.length - loud.length)
      : room * (0.3 / loud.length + (0.7 * Math.sqrt(span.t1 - span.t0)) / total);
    span.u0 = u;
    span.u1 = u += share * end;
  }
  return Page.scaleOf(spans);
};

// The longest stretches in which nothing happens, at most BREAKS, by time. A little is left at each side, so that no mark stands on an edge.
function silences(model, end) {
  // What takes a while is not silence; what lasts over hours (an outage) does not keep them from being silent.
  const ends = model.all.items
    .filter((item) => item.lasts > 0 && item.lasts < longEnough(end))
    .map((item) => item.at + item.lasts);
  const times = [0, ...model.all.at, ...ends, end].sort((a, b) => a - b);
  const gaps = [];
  for (let n = 1; n < times.length; n += 1) gaps.push([times[n] - times[n - 1], times[n - 1], times[n]]);
  gaps.sort((a, b) => b[0] - a[0]);
  // With each stretch that goes, shorter ones become long beside the rest: an hour is nothing in sixty days, and much in forty seconds.
  const long = [];
  let rest = end;
  for (const gap of gaps) {
    if (long.length === BREAKS || gap[0] < Math.max(5 * Page.S, Math.min(longEnough(end), rest / 4))) break;
    long.push(gap);
    rest -= gap[0];
  }
  const silent = long.map(([, a, b]) => [a, b]).sort((a, b) => a[0] - b[0]);
  // Beside a burst some of the silence is left, in proportion: no mark stands on an edge.
  return silent.map(([a, b], n) => {
    const room = (length) => Math.min((b - a) * 0.15, length * 0.08 + 5 * Page.MS);
    const before = a - (silent[n - 1]?.[1] ?? 0),
      after = (silent[n + 1]?.[0] ?? end) - b;
    return [a === 0 && before === 0 && model.all.at[0] > 0 ? 0 : a + room(before), b === end ? end : b - room(after)];
  });
}

const longEnough = (end) => Math.max(5 * Page.S, end / 40);

// Worth it when most of a run is silence.
Page.worthSqueezing = (model) =>
  silences(model, Math.max(1, model.end)).reduce((sum, [a, b]) => sum + b - a, 0) > 0.6 * model.end;

// Ticks between two places of the scale: within each piece by its own step, and one in the middle of a squeezed one.
Page.ticks = (scale, a, b, width, room) => {
  const pixel = (b - a) / width,
    ticks = [];
  for (const p of scale.pieces) {
    if (p.u1 < a || p.u0 > b) continue;
    const perUnit = (p.t1 - p.t0) / (p.u1 - p.u0),
      silent = p.silent;
    const wide = (p.u1 - p.u0) / pixel;
    if (silent && wide < 260) {
      ticks.push({ u: (p.u0 + p.u1) / 2, t: null, silence: p.t1 - p.t0, wide });
      continue;
    }
    const step = Page.step(perUnit * pixel * room);
    const t0 = Math.max(p.t0, p.t0 + (Math.max(a, p.u0) - p.u0) * perUnit),
      t1 = Math.min(p.t1, p.t0 + (Math.min(b, p.u1) - p.u0) * perUnit);
    const first = Math.ceil(t0 / step - 1e-9);
    let any = false;
    for (let k = first; k * step <= t1 && ticks.length < 400; k += 1) {
      const t = k * step;
      ticks.push({ u: p.u0 + (t - p.t0) / perUnit, t, step });
      any = true;
    }
    // A piece too short for a round time says at least when it begins.
    if (!any && !silent && wide > 8 && p.u0 >= a)
      ticks.push({ u: p.u0, t: p.t0, step: Page.step(Math.max(1, (p.t1 - p.t0) / 4)), odd: true });
  }
  return ticks;
};
