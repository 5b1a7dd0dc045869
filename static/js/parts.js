// Patches figures by their key, and fetches the parts of the page whose version changed.
"use strict";
const Parts = (() => {
  const versions = new Map();

  const setText = (node, text) => {
    if (node.textContent === text) return;
    node.textContent = text;
    if ("sign" in node.dataset) {
      node.dataset.sign = { "+": "up", "\u2212": "down" }[text[0]] || "";
    }
  };

  const showValues = (values) => {
    for (const node of document.querySelectorAll("[data-live]")) {
      if (node.dataset.live in values) setText(node, values[node.dataset.live]);
    }
    for (const node of document.querySelectorAll("[data-live-attr]")) {
      const [name, key] = node.dataset.liveAttr.split("|");
      if (key in values) node.setAttribute(name, values[key]);
    }
  };

  // Parts on their way, and those that changed once more meanwhile: htmx drops a second request.
  const loading = new Set();
  const outdated = new Set();

  const refetch = (node) => {
    const dialog = node.querySelector("dialog[open]");
    const name = node.dataset.fragment;
    // A part with an open question is fetched once the question is answered.
    if (dialog) dialog.addEventListener("close", () => refetch(node), { once: true });
    else if (loading.has(name)) outdated.add(name);
    else {
      loading.add(name);
      htmx.trigger(node, "refetch");
    }
  };

  const arrived = (name) => {
    if (loading.delete(name) && outdated.delete(name)) fetchAgain(name);
  };

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const name = detail.requestConfig.elt.dataset.fragment;
    if (!name || detail.successful) return;
    // What could not be fetched differs from any version, so the next message asks for it again.
    versions.set(name, "");
    arrived(name);
  });

  // Not before it has settled: until then a new part does not hear that it should be fetched.
  document.addEventListener("htmx:afterSettle", ({ target }) => arrived(target.dataset.fragment));

  const parts = (name) =>
    [...document.querySelectorAll("[data-fragment]")].filter(
      ({ dataset }) => dataset.fragment === name || dataset.fragment.startsWith(`${name}:`),
    );

  const fetchAgain = (name) => parts(name).forEach(refetch);

  const showVersions = (given) => {
    for (const [name, version] of Object.entries(given)) {
      for (const node of parts(name)) {
        const known = versions.get(name) ?? node.dataset.version;
        if (known !== version) refetch(node);
      }
      versions.set(name, version);
    }
  };

  return { setText, showValues, showVersions, fetchAgain };
})();
