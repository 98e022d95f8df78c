// A list of any length: only the rows that can be seen are in the document.

let lists = 0;

// `render(n)` gives the children of row `n`, `enter(n)` is Enter or a click on it, `move(n)` the going there by key.
Page.rows = ({ label, height, render, enter, move }) => {
  lists += 1;
  const id = `rows${lists}`;
  const body = Page.h("div", { class: "rows-body", role: "presentation" });
  const element = Page.h("div", { class: "rows", role: "listbox", tabindex: "0", "aria-label": label }, body);
  const list = { element, count: 0, active: -1, chosen: -1 };
  let from = 0,
    to = 0;

  const draw = () => {
    const visible = element.clientHeight || 400;
    from = Math.max(0, Math.floor(element.scrollTop / height) - 8);
    to = Math.min(list.count, Math.ceil((element.scrollTop + visible) / height) + 8);
    const shown = [];
    for (let n = from; n < to; n += 1) {
      const row = Page.h("div", {
        class: "row",
        role: "option",
        id: `${id}-${n}`,
        "aria-posinset": n + 1,
        "aria-setsize": list.count,
        "aria-selected": String(n === list.chosen),
        style: `top:${n * height}px;height:${height}px`,
      });
      if (n === list.active) row.classList.add("active");
      const content = render(n, row);
      row.append(...content);
      row.dataset.n = n;
      shown.push(row);
    }
    body.replaceChildren(...shown);
    // The one that is active may be outside of what is drawn.
    if (list.active >= from && list.active < to) element.setAttribute("aria-activedescendant", `${id}-${list.active}`);
    else element.removeAttribute("aria-activedescendant");
  };
  const soon = Page.soon(draw);

  list.set = (count) => {
    list.count = count;
    list.active = Math.min(list.active, count - 1);
    body.style.height = `${count * height}px`;
    if (element.scrollTop > count * height) element.scrollTop = 0;
    draw();
  };
  list.redraw = draw;
  list.reveal = (n, middle = false) => {
    const visible = element.clientHeight,
      top = n * height;
    if (visible === 0) return;
    if (top < element.scrollTop + height || top + 2 * height > element.scrollTop + visible) {
      element.scrollTop = Math.max(
        0,
        middle ? top - visible * 0.4 : top < element.scrollTop + height ? top - height : top - visible + 2 * height,
      );
    }
  };
  list.go = (n) => {
    if (list.count === 0) return;
    list.active = Math.max(0, Math.min(list.count - 1, n));
    list.reveal(list.active);
    draw();
    move?.(list.active);
  };

  element.addEventListener("scroll", soon, { passive: true });
  element.addEventListener("click", (event) => {
    const row = event.target.closest(".row");
    if (!row || (getSelection()?.toString() ?? "") !== "") return;
    list.active = Number(row.dataset.n);
    enter(list.active);
    draw();
  });
  element.addEventListener("keydown", (event) => {
    if (event.altKey || event.ctrlKey || event.metaKey) return;
    const page = Math.max(1, Math.floor(element.clientHeight / height) - 1);
    const start = list.active < 0 ? Math.ceil(element.scrollTop / height) - 1 : list.active;
    const to = {
      ArrowDown: start + 1,
      ArrowUp: start - 1,
      PageDown: start + page,
      PageUp: start - page,
      Home: 0,
      End: list.count - 1,
    }[event.key];
    if (to !== undefined) list.go(to);
    else if (event.key === "Enter" && list.active >= 0) enter(list.active);
    else return;
    event.preventDefault();
    event.stopPropagation();
  });
  new ResizeObserver(soon).observe(element);
  return list;
};
