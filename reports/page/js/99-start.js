// For the console, and for the checks.
globalThis.Rehearse = Page;

Page.readIndex();
Page.startKeys();
Page.byId("foot").textContent =
  `Made by ${Page.index.made}. ${Page.many(Page.index.runs.length, "run")}. This file loads nothing from anywhere.`;
// With a single run there is nothing to choose.
if (Page.index.runs.length === 1 && Page.parse(location.hash).run === null)
  history.replaceState(null, "", Page.link({ run: Page.index.runs[0].id }));
Page.apply();
