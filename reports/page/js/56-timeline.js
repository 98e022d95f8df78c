// The timeline: a canvas beside labels that can be focused. Each lane is a slider over its marks, so that all of it is within reach of keys.

Page.timeline = (model) => {
  const h = Page.h;
  const labels = h("div", { class: "tl-labels" });
  const canvas = h("canvas", { class: "tl-canvas", "aria-hidden": "true" });
  const plot = h(
    "div",
    { class: "tl-plot", tabindex: "0", role: "group", "aria-label": "Plot: arrow keys move it, plus and minus zoom" },
    canvas,
  );
  const scroll = h("div", { class: "tl-scroll" }, labels, plot);
  const axis = h("canvas", { "aria-hidden": "true" });
  const range = h("p", { class: "tl-range" });
  const squeeze = Page.button("Squeeze silence", () => t.squeeze(!t.squeezed), {
    class: "btn",
    title: "Make long stretches without a mark narrow  s",
  });
  const t = {
    model,
    scroll,
    plot,
    canvas,
    rows: [],
    view: { a: 0, b: 1, ticks: [] },
    hover: null,
    hits: [],
    width: 600,
    squeezed: Page.worthSqueezing(model),
    colours: null,
    focused: null,
  };
  const tool = (label, name, key, act) =>
    Page.button(label, act, { class: "btn", title: `${name}  ${key}`, "aria-label": name });
  const overview = Page.overview(t);
  const tip = Page.tip(t);
  t.element = h(
    "section",
    { class: "timeline", "aria-labelledby": "h-timeline" },
    h(
      "div",
      { class: "tl-head" },
      h("h2", { id: "h-timeline" }, "Timeline"),
      range,
      h(
        "div",
        { class: "tl-tools", role: "toolbar", "aria-label": "Timeline" },
        tool("‹", "On to the marks before", "[", () => t.on(-1)),
        tool("›", "On to the marks after", "]", () => t.on(1)),
        tool("−", "Farther", "-", () => t.zoom(1.6)),
        tool("+", "Closer", "+", () => t.zoom(1 / 1.6)),
        Page.button("Fit", () => t.fit(), { class: "btn", title: "The whole run  f" }),
        squeeze,
      ),
    ),
    overview.element,
    h(
      "div",
      { class: "tl-frame" },
      h(
        "div",
        { class: "tl-axis" },
        h("div", { class: "tl-corner" }, h("span", {}, "after the start"), h("span", {}, "clock, UTC")),
        h("div", { class: "tl-ticks" }, axis),
      ),
      scroll,
      tip.element,
    ),
  );

  const layout = () => {
    const narrow = Page.narrow(),
      height = narrow ? 40 : 21,
      head = narrow ? 24 : 22;
    t.rows = [];
    let y = 0;
    for (const group of model.groups) {
      for (const lane of [group, ...(group.open ? group.lanes : [])]) {
        const high = lane.heads ? head : height;
        t.rows.push({
          lane,
          y,
          height: high,
          middle: y + (narrow && !lane.heads ? high - 12 : high / 2 - 0.5),
          focused: false,
        });
        y += high;
      }
    }
    t.height = y;
  };
  const rescale = () => {
    t.scale = t.squeezed ? Page.squeezedScale(model) : Page.trueScale(model.end);
    for (const lane of [...model.lanes, ...model.groups, model.all]) Page.placeOn(lane, t.scale);
    squeeze.setAttribute("aria-pressed", String(t.squeezed));
  };

  t.paint = () => {
    if (!t.element.isConnected) return;
    t.width = Math.max(50, plot.clientWidth);
    t.colours ??= Page.colours();
    const { view, scale, width } = t;
    view.ta = Math.max(0, scale.toTime(view.a));
    view.tb = Math.min(model.end, scale.toTime(view.b));
    view.plain = !t.squeezed;
    view.ticks = Page.ticks(scale, view.a, view.b, width, Page.narrow() ? 74 : 96);
    const c = t.colours,
      selected = Page.state.at,
      { hover } = t;
    for (const row of t.rows) row.focused = row.lane === t.focused;
    const focused = t.rows.find((row) => row.focused && row.lane.cursor >= 0);
    const cursor = focused ? { lane: focused.lane, n: focused.lane.cursor, y: focused.middle } : null;
    const ctx = Page.sized(canvas, width, t.height);
    ctx.font = `600 10px ${c.sans}`;
    ctx.textAlign = "center";
    ctx.textBaseline = "middle";
    t.hits = Page.drawLanes(ctx, {
      rows: t.rows,
      width,
      height: t.height,
      view,
      model,
      scale,
      c,
      selected,
      cursor,
      hover,
    });
    Page.drawAxis(Page.sized(axis, width, 34), { width, view, model, c, scale, selected, hover });
    overview.paint();
    range.textContent = `${Page.span(view.ta)} to ${Page.span(view.tb)}${t.squeezed ? ", silence squeezed" : ""}`;
  };
  const soon = Page.soon(t.paint);
  t.soon = soon;

  // The window, held within the run and above what a double can tell apart.
  t.show = (a, b) => {
    const whole = t.scale.width,
      margin = whole * 0.015;
    let span = Math.min(whole + 2 * margin, Math.max(b - a, t.least()));
    let from = a + (b - a - span) / 2;
    from = Math.max(-margin, Math.min(whole + margin - span, from));
    t.view.a = from;
    t.view.b = from + span;
    tip.close();
    soon();
  };
  // A microsecond across the window is close enough.
  t.least = () => {
    const middle = (t.view.a + t.view.b) / 2,
      p =
        t.scale.pieces[
          Math.max(
            0,
            Page.upper(
              t.scale.pieces.map((one) => one.u0),
              middle,
            ) - 1,
          )
        ];
    return Math.max(1, (1000 * (p.u1 - p.u0)) / (p.t1 - p.t0));
  };
  t.zoom = (factor, at = null) => {
    const { a, b } = t.view;
    const selected = Page.state.at === null ? null : t.scale.toU(Page.state.at);
    const centre = at ?? (selected !== null && selected > a && selected < b ? selected : (a + b) / 2);
    const span = Math.max((b - a) * factor, t.least());
    t.show(centre - ((centre - a) * span) / (b - a), centre + ((b - centre) * span) / (b - a));
  };
  t.pan = (share) => {
    const by = (t.view.b - t.view.a) * share;
    t.show(t.view.a + by, t.view.b + by);
  };
  t.fit = () => t.show(-t.scale.width * 0.015, t.scale.width * 1.015);
  t.squeeze = (on) => {
    const middle = t.scale.toTime((t.view.a + t.view.b) / 2);
    const whole = t.view.b - t.view.a > t.scale.width * 0.98;
    t.squeezed = on;
    rescale();
    if (whole) t.fit();
    else {
      const u = t.scale.toU(middle),
        span = t.view.b - t.view.a;
      t.show(u - span / 2, u + span / 2);
    }
    Page.say(on ? "Silence is squeezed" : "To scale");
  };
  // On to the next marks that are not in the window: the way over hours of silence.
  t.on = (direction) => {
    const { u } = model.all,
      span = t.view.b - t.view.a;
    const n = direction > 0 ? Page.upper(u, t.view.b) : Page.lower(u, t.view.a) - 1;
    if (n < 0 || n >= u.length) {
      Page.say(direction > 0 ? "No marks after these" : "No marks before these");
      return;
    }
    if (direction > 0) t.show(u[n] - span * 0.1, u[n] + span * 0.9);
    else t.show(u[n] - span * 0.9, u[n] + span * 0.1);
  };
  t.reveal = (time) => {
    const u = t.scale.toU(time),
      { a, b } = t.view;
    if (u < a || u > b) t.show(u - (b - a) / 2, u + (b - a) / 2);
  };
  model.view = {
    reveal() {
      if (t.element.getBoundingClientRect().bottom < 120 || t.element.getBoundingClientRect().top > innerHeight - 120)
        t.element.scrollIntoView({ block: "start", behavior: Page.calm() ? "auto" : "smooth" });
    },
  };

  t.relabel = () => {
    layout();
    Page.laneLabels(t, labels);
    plot.style.height = `${t.height}px`;
    t.paint();
  };
  rescale();
  t.view.a = -t.scale.width * 0.015;
  t.view.b = t.scale.width * 1.015;
  Page.pointer(t, tip);

  let narrow = Page.narrow();
  const seen = new ResizeObserver(() => {
    if (narrow !== Page.narrow()) {
      narrow = Page.narrow();
      t.relabel();
    } else soon();
  });
  t.enter = () => {
    t.relabel();
    seen.observe(plot);
  };
  t.leave = () => seen.disconnect();
  t.select = () => {
    const { at, object } = Page.state;
    for (const lane of [...model.lanes, ...model.groups]) Page.relate(lane, object);
    if (at !== null) t.reveal(at);
    soon();
  };
  t.recolour = () => {
    t.colours = null;
    t.soon();
  };
  t.escape = () => tip.close();
  const side = (share) => () => t.pan(share);
  t.keys = {
    "+": () => t.zoom(1 / 1.6),
    "=": () => t.zoom(1 / 1.6),
    "-": () => t.zoom(1.6),
    "−": () => t.zoom(1.6),
    f: () => t.fit(),
    s: () => t.squeeze(!t.squeezed),
    "[": () => t.on(-1),
    "]": () => t.on(1),
  };
  plot.addEventListener("keydown", (event) => {
    const act = {
      ArrowLeft: side(-0.15),
      ArrowRight: side(0.15),
      PageUp: side(-0.9),
      PageDown: side(0.9),
      Home: () => t.show(0, t.view.b - t.view.a),
      End: () => t.show(t.scale.width - (t.view.b - t.view.a), t.scale.width),
    }[event.key];
    if (!act || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    act();
  });
  return t;
};
