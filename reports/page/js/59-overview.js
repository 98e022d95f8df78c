// The whole run in a strip, with the window of the timeline in it.

Page.overview = (t) => {
  const { model } = t;
  const canvas = Page.h("canvas", { "aria-hidden": "true" });
  const frame = Page.h(
    "div",
    { class: "ov-window", "aria-hidden": "true" },
    Page.h("i", { class: "ov-left" }),
    Page.h("i", { class: "ov-right" }),
  );
  const element = Page.h(
    "div",
    {
      class: "overview",
      role: "slider",
      tabindex: "0",
      "aria-label": "Part of the run that the timeline shows",
      "aria-valuemin": 0,
      "aria-valuemax": 100,
    },
    canvas,
    frame,
  );
  const HIGH = 34;
  let width = 100;

  const paint = () => {
    width = Math.max(50, element.clientWidth);
    const { scale, view, colours: c } = t,
      { u, troubles } = model.all;
    const ctx = Page.sized(canvas, width, HIGH);
    const bins = Math.floor(width / 3),
      per = scale.width / bins;
    for (const piece of scale.pieces)
      if (piece.silent)
        Page.hatch(ctx, (piece.u0 / scale.width) * width, 0, (piece.u1 / scale.width) * width, HIGH, c.line);
    for (const band of model.bands) {
      const [x0, x1] = [scale.toU(band.from), scale.toU(band.until)].map((at) => (at / scale.width) * width);
      ctx.fillStyle = c.bad;
      ctx.fillRect(x0, 0, Math.max(2, x1 - x0), 2);
    }
    const counts = [];
    for (let n = 0, from = 0; n < bins; n += 1) {
      const to = n === bins - 1 ? u.length : Page.lower(u, (n + 1) * per, from);
      counts.push([to - from, troubles[to] - troubles[from]]);
      from = to;
    }
    const most = Math.max(1, ...counts.map(([all]) => all));
    // By the logarithm: a single mark has to be seen beside a thousand.
    const high = (n) => (n === 0 ? 0 : 3 + ((HIGH - 8) * Math.log1p(n)) / Math.log1p(most));
    counts.forEach(([all, bad], n) => {
      if (all === 0) return;
      ctx.fillStyle = c.faint;
      ctx.fillRect((n * width) / bins, HIGH - high(all), width / bins - 1, high(all));
      ctx.fillStyle = c.bad;
      if (bad)
        ctx.fillRect(
          (n * width) / bins,
          HIGH - Math.max(3, (high(all) * bad) / all),
          width / bins - 1,
          Math.max(3, (high(all) * bad) / all),
        );
    });
    if (Page.state.at !== null) {
      ctx.fillStyle = c.accent;
      ctx.fillRect(Math.round((scale.toU(Page.state.at) / scale.width) * width) - 1, 0, 2, HIGH);
    }
    const a = Math.max(0, view.a / scale.width),
      b = Math.min(1, view.b / scale.width);
    frame.style.left = `${a * width}px`;
    frame.style.width = `${Math.max(4, (b - a) * width)}px`;
    element.setAttribute("aria-valuenow", Math.round(a * 100));
    element.setAttribute("aria-valuetext", `from ${Page.span(view.ta)} to ${Page.span(view.tb)}`);
  };

  let drag = null;
  const at = (event) => ((event.clientX - element.getBoundingClientRect().left) / width) * t.scale.width;
  element.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    const u = at(event),
      { a, b } = t.view;
    const part =
      event.target.className === "ov-left" ? "left" : event.target.className === "ov-right" ? "right" : "all";
    drag = { part, u, a, b };
    // A press beside the window brings the window there.
    if (part === "all" && (u < a || u > b)) {
      t.show(u - (b - a) / 2, u + (b - a) / 2);
      drag = { part, u, a: t.view.a, b: t.view.b };
    }
    element.setPointerCapture(event.pointerId);
  });
  element.addEventListener("pointermove", (event) => {
    if (!drag) return;
    const by = at(event) - drag.u,
      least = t.least();
    if (drag.part === "left") t.show(Math.min(drag.a + by, drag.b - least), drag.b);
    else if (drag.part === "right") t.show(drag.a, Math.max(drag.b + by, drag.a + least));
    else t.show(drag.a + by, drag.b + by);
  });
  for (const over of ["pointerup", "pointercancel"])
    element.addEventListener(over, () => {
      drag = null;
    });
  element.addEventListener("keydown", (event) => {
    const by = { ArrowLeft: -0.15, ArrowDown: -0.15, ArrowRight: 0.15, ArrowUp: 0.15, PageUp: 0.9, PageDown: -0.9 }[
      event.key
    ];
    if (by === undefined) return;
    event.preventDefault();
    t.pan(by);
  });
  return { element, paint };
};
