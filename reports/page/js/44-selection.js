// What is selected, at the foot of the window, wherever one has scrolled to.
Page.showSelection = (model, step) => {
  const bar = Page.byId("selection");
  const { at, object } = Page.state;
  bar.hidden = at === null;
  document.body.classList.toggle("selecting", at !== null);
  if (at === null) return;
  const found =
    Page.pick && Page.pick.at === at ? { item: Page.pick, exact: true, count: 1 } : Page.thingAt(model, at, object);
  const { item } = found;
  const text =
    item === null
      ? "before all that happened"
      : found.exact
        ? item.kind === "line"
          ? Page.takeApart(item.text).body
          : item.text
        : `nothing just then; last before, at ${Page.span(item.at)}: ${item.kind === "line" ? Page.takeApart(item.text).message : item.text}`;
  const jump = (id, name) =>
    Page.button(
      name,
      () => Page.byId(id).scrollIntoView({ block: "start", behavior: Page.calm() ? "auto" : "smooth" }),
      { class: "quiet" },
    );
  bar.replaceChildren(
    Page.h(
      "div",
      { class: "sel-time" },
      Page.h("strong", {}, Page.span(at, 6)),
      Page.h("span", {}, model.clock.time(at), " ", Page.h("span", { class: "sel-day" }, model.clock.day(at))),
    ),
    Page.h(
      "div",
      { class: "sel-what" },
      Page.h(
        "span",
        { class: `sel-text ${found.exact && item?.trouble ? "bad" : ""}` },
        found.exact && item ? Page.shape(item.trouble ? "trouble" : item.kind) : null,
        text,
      ),
      Page.h(
        "span",
        { class: "sel-more" },
        [
          found.exact && item?.cause ? `Why: ${item.cause}` : null,
          item?.object ?? null,
          found.count > 1 ? `and ${Page.many(found.count - 1, "more happening")} at this moment` : null,
        ]
          .filter(Boolean)
          .join("  ·  "),
      ),
    ),
    Page.h(
      "div",
      { class: "sel-jump" },
      jump("h-timeline", "Timeline"),
      jump("h-log", "Log"),
      jump("h-object", "Object"),
    ),
    Page.h(
      "div",
      { class: "sel-step" },
      Page.button("‹", () => step(-1), {
        class: "btn",
        "aria-label": "The happening before",
        title: "The happening before  ,",
      }),
      Page.button("›", () => step(1), {
        class: "btn",
        "aria-label": "The happening after",
        title: "The happening after  .",
      }),
      Page.button("×", () => Page.go({ at: null, object: null }), {
        class: "quiet",
        "aria-label": "Select nothing",
        title: "Select nothing  Esc",
      }),
    ),
  );
  Page.say(`${Page.span(at)}: ${text.slice(0, 300)}`);
};
