// Pointer, wheel and fingers on the timeline, and the text that comes up beside a mark.

Page.tip = (t) => {
  const h = Page.h;
  const element = h("div", { class: "tl-tip", hidden: true });
  const row = (item, act) => {
    const apart = item.kind === "line" ? Page.takeApart(item.text) : null;
    const text = apart === null ? item.text : act ? `${apart.message}  ${Page.gist(apart.rest)}` : apart.body;
    const content = [
      Page.shape(item.trouble ? "trouble" : item.kind, item.trouble ? "bad" : ""),
      h("span", { class: "t" }, Page.span(item.at, 6)),
      h("span", { class: "what" }, text.length > 260 ? `${text.slice(0, 260)} …` : text),
    ];
    return act ? Page.button(content, act, { class: "tip-row" }) : h("div", { class: "tip-row" }, content);
  };
  // What is gathered often says the same again and again: it is told once, with how often.
  const told = (items, from, to) => {
    const groups = new Map(),
      most = 5;
    for (let n = from; n < Math.min(to, from + 5000); n += 1) {
      const item = items[n],
        text = item.kind === "line" ? Page.takeApart(item.text).message : item.text;
      const known = groups.get(text);
      if (known) known.times += 1;
      else groups.set(text, { item, text, times: 1 });
    }
    const all = [...groups.values()];
    return [
      ...all
        .slice(0, most)
        .map(({ item, text, times }) =>
          h(
            "div",
            { class: "tip-row" },
            Page.shape(item.trouble ? "trouble" : item.kind, item.trouble ? "bad" : ""),
            h("span", { class: "t" }, Page.span(item.at, 6)),
            h("span", { class: "what" }, text, times > 1 ? h("strong", {}, `  ${Page.number(times)} times`) : null),
          ),
        ),
      ...(all.length > most
        ? [h("p", { class: "tip-more" }, `and ${Page.number(all.length - most)} that say something else`)]
        : []),
    ];
  };
  const place = (x, y) => {
    element.hidden = false;
    const frame = element.parentElement.getBoundingClientRect(),
      plot = t.plot.getBoundingClientRect();
    const left = plot.left - frame.left + x,
      top = plot.top - frame.top + y;
    const wide = element.offsetWidth,
      high = element.offsetHeight;
    element.style.left = `${Math.max(4, Math.min(frame.width - wide - 4, left - 20))}px`;
    // Below the mark, or above where there is no room.
    const below = plot.top + y + 16 + high < innerHeight - 70;
    element.style.top = `${below ? top + 16 : Math.max(-plot.top, top - high - 14)}px`;
  };
  const tip = {
    element,
    pinned: false,
    mark(lane, n) {
      const { middle } = t.rows.find((one) => one.lane === lane) ?? { middle: 0 };
      tip.show(lane, n, n + 1, ((lane.u[n] - t.view.a) * t.width) / (t.view.b - t.view.a), middle);
    },
    show(lane, from, to, x, y) {
      tip.pinned = false;
      element.classList.remove("pinned");
      element.removeAttribute("role");
      const { items } = lane,
        first = items[from];
      element.replaceChildren(
        ...(to - from === 1
          ? [
              row(first),
              h(
                "p",
                { class: "tip-more" },
                [
                  first.lasts > 0 ? `lasts ${Page.span(first.lasts, 6)}` : null,
                  first.object,
                  t.model.clock.time(first.at),
                ]
                  .filter(Boolean)
                  .join("  ·  "),
              ),
              first.cause ? h("p", { class: "tip-why" }, `Why: ${first.cause}`) : null,
            ].filter(Boolean)
          : [
              h(
                "p",
                { class: "tip-more" },
                `${Page.many(to - from, "mark")} within ${Page.span(items[to - 1].at - first.at, 6)}`,
              ),
              ...told(items, from, to),
            ]),
      );
      place(x, y);
    },
    // All that a gathered mark stands for, to choose from.
    pin(lane, from, to, x, y) {
      const { items } = lane,
        most = 200;
      const apart = items[to - 1].at > items[from].at;
      element.replaceChildren(
        h(
          "div",
          { class: "tip-head" },
          h("strong", {}, `${Page.many(to - from, "mark")} of ${lane.label}`),
          apart
            ? Page.button(
                "Zoom to these",
                () => {
                  const a = lane.u[from],
                    b = lane.u[to - 1];
                  t.show(a - (b - a) * 0.1, b + (b - a) * 0.1);
                },
                { class: "btn" },
              )
            : null,
          Page.button("×", () => tip.close(), { class: "quiet", "aria-label": "Close" }),
        ),
        h(
          "div",
          { class: "tip-list" },
          items.slice(from, Math.min(to, from + most)).map((item) =>
            row(item, () => {
              Page.select(item);
              tip.close();
            }),
          ),
          to - from > most
            ? h("p", { class: "tip-more" }, `and ${Page.number(to - from - most)} more: zoom to these to see them`)
            : null,
        ),
      );
      tip.pinned = true;
      element.classList.add("pinned");
      element.setAttribute("role", "dialog");
      element.setAttribute("aria-label", "Gathered marks");
      place(x, y);
      element.querySelector(".tip-list button")?.focus({ preventScroll: true });
    },
    close() {
      if (element.hidden) return false;
      const had = tip.pinned;
      element.hidden = true;
      tip.pinned = false;
      return had;
    },
  };
  t.tip = tip;
  return tip;
};

Page.pointer = (t, tip) => {
  const { plot } = t;
  const fingers = new Map();
  let drag = null;
  const unit = () => (t.view.b - t.view.a) / t.width;
  const place = (event) => {
    const box = plot.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };

  // The mark under the pointer: a real mark before a bar that only lasts over it.
  const under = (x, y, reach = 0) => {
    const n = t.rows.findIndex((row) => y >= row.y && y < row.y + row.height);
    if (n < 0 || !t.hits[n]) return null;
    const hits = t.hits[n].filter(([x0, x1]) => x >= x0 - reach && x <= x1 + reach);
    if (hits.length === 0) return null;
    const far = ([x0, x1, , , bar]) => (bar ? 1e6 + x1 - x0 : Math.abs(x - (x0 + x1) / 2));
    const [, , from, to] = hits.reduce((best, hit) => (far(hit) < far(best) ? hit : best));
    return { row: t.rows[n], from, to };
  };

  plot.addEventListener("pointerdown", (event) => {
    if (event.button !== 0) return;
    fingers.set(event.pointerId, place(event));
    const [x] = place(event);
    drag = { x, a: t.view.a, b: t.view.b, moved: false, pinch: null };
    if (fingers.size === 2) {
      const [one, two] = [...fingers.values()];
      drag.pinch = { apart: Math.max(20, Math.abs(one[0] - two[0])), u: t.view.a + ((one[0] + two[0]) / 2) * unit() };
      drag.moved = true;
    }
  });
  plot.addEventListener("pointermove", (event) => {
    const [x, y] = place(event);
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, [x, y]);
    if (drag?.pinch && fingers.size === 2) {
      const [one, two] = [...fingers.values()];
      const span = ((drag.b - drag.a) * drag.pinch.apart) / Math.max(20, Math.abs(one[0] - two[0]));
      const middle = (one[0] + two[0]) / 2 / t.width;
      t.show(drag.pinch.u - middle * span, drag.pinch.u + (1 - middle) * span);
      return;
    }
    if (drag && fingers.size === 1) {
      if (!drag.moved && Math.abs(x - drag.x) > 4) {
        drag.moved = true;
        plot.setPointerCapture(event.pointerId);
        plot.classList.add("dragging");
      }
      if (drag.moved) {
        const by = ((drag.x - x) * (drag.b - drag.a)) / t.width;
        t.hover = null;
        t.show(drag.a + by, drag.b + by);
      }
      return;
    }
    if (event.pointerType === "touch") return;
    t.hover = x;
    t.soon();
    if (tip.pinned) return;
    const hit = under(x, y);
    plot.classList.toggle("over", hit !== null);
    if (hit) tip.show(hit.row.lane, hit.from, hit.to, x, hit.row.middle);
    else tip.close();
  });
  const up = (event) => {
    const known = fingers.delete(event.pointerId);
    if (!known || fingers.size > 0) return;
    const was = drag;
    drag = null;
    plot.classList.remove("dragging");
    if (!was || was.moved || event.type === "pointercancel") return;
    const [x, y] = place(event);
    const hit = under(x, y, event.pointerType === "touch" ? 10 : 1);
    if (!hit) {
      if (tip.close()) return;
      Page.go({ at: Math.round(Math.max(0, Math.min(t.model.end, t.scale.toTime(t.view.a + x * unit())))) });
    } else if (hit.to - hit.from === 1) Page.select(hit.row.lane.items[hit.from]);
    else tip.pin(hit.row.lane, hit.from, hit.to, x, hit.row.middle);
  };
  plot.addEventListener("pointerup", up);
  plot.addEventListener("pointercancel", up);
  plot.addEventListener("pointerleave", () => {
    t.hover = null;
    plot.classList.remove("over");
    if (!tip.pinned) tip.close();
    t.soon();
  });
  plot.addEventListener("dblclick", (event) => t.zoom(1 / 3, t.view.a + place(event)[0] * unit()));
  plot.addEventListener(
    "wheel",
    (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        t.zoom(Math.exp(Math.max(-60, Math.min(60, event.deltaY)) * 0.008), t.view.a + place(event)[0] * unit());
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        t.pan((event.shiftKey ? event.deltaY || event.deltaX : event.deltaX) / t.width);
      }
    },
    { passive: false },
  );
};
