// Where one is stands in the address: #run=NAME&at=NANOS&object=…&with=OTHER. Back and forward go through it.

Page.state = { run: null, at: null, object: null, with: null };
Page.view = null;
// What was clicked, when the address does not tell: the very mark or line.
Page.pick = null;

Page.parse = (hash) => {
  const parameters = new URLSearchParams(hash.replace(/^#/, "").replaceAll("+", "%2B"));
  const at = parameters.get("at");
  return {
    run: parameters.get("run"),
    at: at !== null && /^\d+$/.test(at) ? Number(at) : null,
    object: parameters.get("object"),
    with: parameters.get("with"),
  };
};

// Names stay readable in the address: only what would break it is escaped.
Page.link = (state) => {
  const parts = Object.entries(state)
    .filter(([, value]) => value !== null && value !== undefined)
    .map(([name, value]) => `${name}=${encodeURIComponent(value).replaceAll("%2F", "/")}`);
  return `#${parts.join("&")}`;
};

Page.go = (change, { replace = false, pick = null } = {}) => {
  const next = { ...Page.state, ...change };
  Page.pick = pick;
  const link = Page.link(next);
  if (link !== (location.hash || "#")) {
    if (replace) history.replaceState(null, "", link);
    else history.pushState(null, "", link);
  }
  return Page.apply();
};

// A time, and what is there. All views follow.
Page.select = (item, { replace = false } = {}) =>
  Page.go({ at: item.at, object: item.object ?? Page.state.object }, { replace, pick: item });

let turn = 0;

Page.apply = async () => {
  const next = Page.parse(location.hash);
  const before = Page.state;
  Page.state = next;
  const same = Page.view && before.run === next.run && before.with === next.with && Page.view.shown;
  if (same) {
    Page.view.select?.();
    return;
  }
  turn += 1;
  const mine = turn;
  const known = (id) => Page.index.byId.get(id);
  try {
    const missing = [next.run, next.with].find((id) => id !== null && !known(id));
    if (next.run === null || missing !== undefined) return show(Page.list(missing));
    const [run, other] = [known(next.run), next.with === null ? null : known(next.with)];
    const records = await Promise.all(
      [run, other].filter(Boolean).map(async (one) => Page.model(one, await Page.unpack(one.n))),
    );
    // Somebody may have gone on while this one was unpacked.
    if (mine !== turn) return undefined;
    return show(other ? Page.compare(records[0], records[1]) : Page.run(records[0]));
  } catch (error) {
    if (mine === turn)
      show({ title: "Rehearse", crumbs: [], element: Page.h("p", { class: "notice", role: "alert" }, error.message) });
    return undefined;
  }
};

function show(view) {
  const first = Page.view === null;
  Page.view?.leave?.();
  Page.view = view;
  view.shown = true;
  document.title = view.title === "Rehearse" ? "Rehearse" : `${view.title} – Rehearse`;
  Page.byId("crumbs").replaceChildren(...view.crumbs);
  Page.byId("main").replaceChildren(view.element);
  Page.byId("selection").hidden = true;
  scrollTo(0, 0);
  view.enter?.();
  view.select?.();
  if (!first) {
    Page.byId("main").focus({ preventScroll: true });
    Page.say(view.title);
  }
}

addEventListener("popstate", () => {
  Page.pick = null;
  Page.apply();
});
addEventListener("hashchange", () => {
  Page.apply();
});
