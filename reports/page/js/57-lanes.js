// The labels beside the timeline. One of them is in the order of tabs; up and down go from lane to lane, left and right from mark to mark.

Page.describeMark = (model, item) => {
  const text = item.kind === "line" ? Page.takeApart(item.text).body : item.text;
  return [
    Page.span(item.at, 6),
    item.trouble ? "trouble" : null,
    text,
    item.lasts > 0 ? `lasts ${Page.span(item.lasts)}` : null,
    item.cause ? `why: ${item.cause}` : null,
  ]
    .filter(Boolean)
    .join(", ");
};

Page.laneLabels = (t, labels) => {
  const { model } = t,
    h = Page.h;
  const focusedKey = t.focused?.key;
  labels.replaceChildren(...t.rows.map((row) => (row.lane.heads ? headOf(t, row) : labelOf(t, row))));
  const all = [...labels.children];
  const stop = all.find((label) => label.dataset.key === focusedKey) ?? all[0];
  for (const label of all) label.tabIndex = label === stop ? 0 : -1;

  function headOf({ model: { groups } }, row) {
    const { lane } = row;
    const troubles = lane.troubles.at(-1);
    return h(
      "button",
      {
        type: "button",
        class: "tl-group",
        style: `height:${row.height}px`,
        "data-key": lane.key,
        "aria-expanded": String(lane.open),
        "aria-label": `${lane.label}: ${Page.many(lane.lanes.length, "lane")}, ${Page.many(lane.items.length, "mark")}${troubles ? `, ${Page.number(troubles)} with trouble` : ""}`,
        onclick: () => {
          lane.open = !lane.open;
          t.focused = null;
          t.relabel();
          [...labels.children].find((l) => l.dataset.key === lane.key)?.focus();
        },
        onkeydown: (event) => around(event),
        onfocus: (event) => stopAt(event.target),
      },
      h("span", { class: "twist", "aria-hidden": "true" }),
      lane.label,
      groups.length > 0 && !lane.open ? h("span", { class: "tl-count" }, Page.short(lane.items.length)) : null,
    );
  }

  function labelOf(_, row) {
    const { lane } = row;
    const troubles = lane.troubles.at(-1);
    const label = h(
      "div",
      {
        class: "tl-lane",
        role: "slider",
        style: `height:${row.height}px`,
        "data-key": lane.key,
        title: `${lane.label}${lane.tag ? ` (${lane.tag})` : ""}`,
        "aria-orientation": "horizontal",
        "aria-label": `${lane.label}${lane.tag ? ` ${lane.tag}` : ""}, ${Page.many(lane.items.length, "mark")}${troubles ? `, ${Page.number(troubles)} with trouble` : ""}`,
        "aria-valuemin": 1,
        "aria-valuemax": lane.items.length,
        "aria-valuenow": Math.max(1, lane.cursor + 1),
        onfocus: () => {
          stopAt(label);
          t.focused = lane;
          if (lane.cursor < 0) lane.cursor = nearest(lane);
          arrive(lane, label, false);
        },
        onblur: () => {
          t.focused = null;
          t.tip.close();
          t.soon();
        },
        onkeydown: (event) => along(event, lane, label) || around(event),
        onclick: () => label.focus(),
      },
      h("span", { class: "tl-name" }, lane.label),
      lane.tag ? h("span", { class: "tl-tag" }, lane.tag) : null,
      troubles
        ? h("span", { class: "tl-trouble", "aria-hidden": "true" }, Page.shape("trouble"), Page.short(troubles))
        : null,
    );
    return label;
  }

  function stopAt(label) {
    for (const other of labels.children) other.tabIndex = other === label ? 0 : -1;
  }

  // The mark that is nearest to what is selected, or the first in the window.
  function nearest(lane) {
    const time = Page.state.at ?? t.view.ta;
    const n = Page.lower(lane.at, time);
    return Math.max(0, Math.min(lane.items.length - 1, n));
  }

  function arrive(lane, label, moved) {
    const item = lane.items[lane.cursor];
    label.setAttribute("aria-valuenow", lane.cursor + 1);
    label.setAttribute("aria-valuetext", Page.describeMark(model, item));
    if (moved) t.reveal(item.at);
    t.paint();
    t.tip.mark(lane, lane.cursor);
  }

  function along(event, lane, label) {
    if (event.ctrlKey || event.metaKey || event.altKey) return false;
    if (event.shiftKey && /^Arrow(Left|Right)$/.test(event.key)) {
      event.preventDefault();
      t.pan(event.key === "ArrowLeft" ? -0.15 : 0.15);
      return true;
    }
    const last = lane.items.length - 1;
    const to = {
      ArrowLeft: lane.cursor - 1,
      ArrowRight: lane.cursor + 1,
      Home: 0,
      End: last,
      PageUp: lane.cursor - 10,
      PageDown: lane.cursor + 10,
    }[event.key];
    if (to !== undefined) {
      lane.cursor = Math.max(0, Math.min(last, to));
      arrive(lane, label, true);
    } else if (event.key === "Enter" || event.key === " ") {
      Page.select(lane.items[lane.cursor]);
    } else return false;
    event.preventDefault();
    event.stopPropagation();
    return true;
  }

  function around(event) {
    const next = { ArrowDown: "nextElementSibling", ArrowUp: "previousElementSibling" }[event.key];
    if (!next) return;
    event.preventDefault();
    event.target[next]?.focus();
  }
};
