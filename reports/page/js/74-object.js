// An object as it was at the selected time, with what its last write changed.

Page.object = (model) => {
  const { objects, clock } = model,
    h = Page.h;
  let full = false;
  const kinds = new Map();
  for (const object of objects.values()) kinds.set(object.kind, [...(kinds.get(object.kind) ?? []), object]);
  const pick = h("select", {
    "aria-label": "Object",
    class: "object-pick",
    onchange: () =>
      Page.go({ object: pick.value || null, at: Page.state.at ?? objects.get(pick.value)?.at[0] ?? null }),
  });
  for (const [kind, all] of [...kinds].sort(([a], [b]) => a.localeCompare(b))) {
    pick.append(
      h(
        "optgroup",
        { label: `${kind} (${all.length})` },
        all.sort((a, b) => a.path.localeCompare(b.path)).map((object) => Page.option(object.name, object.name)),
      ),
    );
  }
  const none = Page.option("", "choose an object …");
  pick.prepend(none);
  const before = Page.button("‹ write", () => step(-1), { class: "btn", title: "Its write before  p" });
  const after = Page.button("write ›", () => step(1), { class: "btn", title: "Its write after  n" });
  const slider = h("input", { type: "range", min: 1, step: 1, "aria-label": "Write of the object" });
  const said = h("p", { class: "object-said" });
  const text = h("div", { class: "yaml", tabindex: "0", role: "region", "aria-label": "The object" });
  const whole = h("input", {
    type: "checkbox",
    id: "whole",
    onchange: () => {
      full = whole.checked;
      draw();
    },
  });
  const wholeLabel = h("label", { class: "whole", for: "whole" }, whole, " long values in full");

  // The last write up to the selected time; -1 is before the first.
  const current = (object) =>
    (Page.state.at === null ? object.writes.length : Page.upper(object.at, Page.state.at)) - 1;
  const goTo = (object, n, replace) => {
    const write = object.writes[n];
    if (write)
      Page.go(
        { at: write.at, object: object.name },
        {
          replace,
          pick: { ...Page.writeMark(write), write },
        },
      );
  };
  // Of several writes at one moment the picked one is shown, not the last.
  const place = (object) => {
    const picked = Page.pick?.write ? object.writes.indexOf(Page.pick.write) : -1;
    return picked >= 0 && object.at[picked] === Page.state.at ? picked : current(object);
  };
  const step = (by) => {
    const object = objects.get(Page.state.object);
    if (object) goTo(object, Math.max(0, Math.min(object.writes.length - 1, place(object) + by)), false);
  };
  slider.addEventListener("input", () => {
    const object = objects.get(Page.state.object);
    if (object) goTo(object, Number(slider.value) - 1, true);
  });

  // What was written last, up to the selected time: most likely it is one of those.
  const near = h("ul", { class: "nearby" });
  const nearby = (name) => {
    const { writes } = model.record,
      at = Page.state.at ?? model.end,
      found = new Map();
    if (name === null)
      for (let n = writes.length - 1; n >= 0 && found.size < 8; n -= 1)
        if (writes[n].at <= at && !found.has(writes[n].object)) found.set(writes[n].object, writes[n]);
    near.replaceChildren(
      ...[...found].map(([object, write]) =>
        h(
          "li",
          {},
          Page.button(object, () => Page.go({ object, at: Page.state.at ?? write.at }), { class: "link mono" }),
          h("span", { class: "small" }, ` ${write.change} at ${Page.span(write.at)}`),
        ),
      ),
    );
  };

  const draw = () => {
    const name = Page.state.object,
      object = objects.get(name);
    none.textContent = name !== null && !object ? name : "choose an object …";
    pick.value = object ? name : "";
    for (const control of [before, after, slider]) control.disabled = !object;
    wholeLabel.hidden = !object;
    slider.hidden = !object || object.writes.length < 2;
    if (!object) {
      said.textContent =
        name === null
          ? `${Page.many(objects.size, "object")} ${objects.size === 1 ? "was" : "were"} written in this run. A line of the log or a mark of the timeline opens its own.`
          : "No write to this object is recorded in this run.";
      text.replaceChildren();
      text.hidden = true;
      nearby(name);
      return;
    }
    text.hidden = false;
    near.replaceChildren();
    const n = place(object),
      write = object.writes[n],
      count = object.writes.length;
    slider.max = count;
    slider.value = n + 1;
    slider.setAttribute(
      "aria-valuetext",
      n < 0 ? "before the first write" : `write ${n + 1} of ${count}, ${write.change} at ${Page.span(write.at)}`,
    );
    before.disabled = n <= 0;
    after.disabled = n >= count - 1;
    if (n < 0) {
      said.replaceChildren(
        `Not there yet at ${Page.span(Page.state.at)}. `,
        Page.button(`First written at ${Page.span(object.at[0])}`, () => goTo(object, 0, false), { class: "link" }),
      );
      text.replaceChildren();
      return;
    }
    said.replaceChildren(
      h("strong", {}, { added: "Added", modified: "Changed", deleted: "Deleted" }[write.change]),
      ` at ${Page.span(write.at)} (${clock.time(write.at)}), write ${Page.number(n + 1)} of ${Page.number(count)}, version ${write.version}`,
      Page.state.at === null ? "; the state at the end of the run" : "",
    );
    const was = Page.stateAt(object, n - 1),
      is = Page.stateAt(object, n);
    const lines = difference(was, is, full);
    text.replaceChildren(
      ...lines.map(([sign, line]) =>
        h(
          "div",
          { class: { "+": "yl plus", "−": "yl minus", " ": "yl" }[sign] },
          h("span", { class: "sign", "aria-label": { "+": "added:", "−": "removed:", " ": null }[sign] }, sign),
          written(line),
        ),
      ),
    );
    const changed = text.querySelector(".plus, .minus");
    // The first change comes into view, without moving the page.
    text.scrollTop = changed && lines.length > 12 ? Math.max(0, changed.offsetTop - 40) : 0;
  };

  return {
    element: h(
      "section",
      { class: "object", "aria-labelledby": "h-object" },
      h("div", { class: "pane-head" }, h("h2", { id: "h-object" }, "Object at a time"), wholeLabel),
      h("div", { class: "object-bar" }, pick, before, after, slider),
      said,
      near,
      text,
    ),
    select: draw,
    keys: { p: () => step(-1), n: () => step(1) },
  };
};

// Lines with their signs. What was added as a whole, or deleted as a whole, is marked as such.
function difference(was, is, full) {
  // What is shortened is compared in full, and shown so where it has changed.
  const lines = (state, all) => (state === null ? [] : Page.yaml(state, all));
  const [a, b] = [lines(was, true), lines(is, true)],
    [shortA, shortB] = full ? [a, b] : [lines(was, false), lines(is, false)];
  const changed = (line, short) => (line.length <= 500 ? line : short);
  // The version changes with each write and says nothing about it.
  const dull = (line) => line.replace(/^ {2}resourceVersion: .*/, "  resourceVersion:");
  return Page.align(a.map(dull), b.map(dull)).map(([m, n]) =>
    m < 0
      ? ["+", was === null ? shortB[n] : changed(b[n], shortB[n])]
      : n < 0
        ? ["−", is === null ? shortA[m] : changed(a[m], shortA[m])]
        : [" ", shortB[n]],
  );
}

// What goes on in the next line stands below its value, not at the edge.
function written(line) {
  const { indent, nodes } = coloured(line);
  return Page.h("span", { class: "yt", style: `padding-left:${indent + 2}ch` }, nodes);
}

function coloured(line) {
  const [, indent, key, rest] = /^(\s*(?:- )?)([^\s"][^:]*:|"[^"]*":)?(.*)$/.exec(line) ?? [null, "", "", line];
  const dash = /- $/.test(indent) ? "- " : "";
  return {
    indent: indent.length - dash.length,
    nodes: [dash, key ? Page.h("span", { class: "key" }, key) : null, rest],
  };
}
