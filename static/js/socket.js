// Keeps the page current: one socket, polling when it is down, and honesty about the data's age.
"use strict";
{
  const STALE_AFTER_MS = 8000;
  const POLL_MS = 3000;
  const FAILURES_BEFORE_POLLING = 3;

  const body = document.body;
  const versions = new Map();
  let socket = null;
  let sequence = 0;
  let failures = 0;
  let currentAt = Date.now();
  let polling = null;

  const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

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

  document.addEventListener("htmx:afterRequest", ({ detail }) => {
    const name = detail.elt.dataset.fragment;
    if (name && loading.delete(name) && outdated.delete(name)) parts(name).forEach(refetch);
  });

  const parts = (name) =>
    [...document.querySelectorAll("[data-fragment]")].filter(
      ({ dataset }) => dataset.fragment === name || dataset.fragment.startsWith(`${name}:`),
    );

  const showVersions = (given) => {
    for (const [name, version] of Object.entries(given)) {
      for (const node of parts(name)) {
        const known = versions.get(name) ?? node.dataset.version;
        if (known !== version) refetch(node);
      }
      versions.set(name, version);
    }
  };

  const fresh = (ms) => {
    currentAt = ms ? Math.min(ms, Date.now()) : Date.now();
    showAge();
  };

  const showAge = () => {
    const age = Date.now() - currentAt;
    const stale = age > STALE_AFTER_MS;
    const node = document.querySelector("[data-age]");
    if (node) node.textContent = `${Math.max(0, Math.round(age / 1000))} s old`;
    body.classList.toggle("is-stale", stale);
    const banner = document.getElementById("stale");
    banner.hidden = !stale;
    if (stale) {
      poll();
      const text = `Figures are stale since ${clock(currentAt)} UTC. Reconnecting…`;
      setText(banner.querySelector("[data-stale-text]"), text);
    }
  };

  const fetchSnapshot = async () => {
    const answer = await fetch(body.dataset.snapshot, { headers: { Accept: "application/json" } });
    if (answer.status === 401 || answer.status === 403) {
      location.assign(`${body.dataset.login}?next=${encodeURIComponent(location.pathname)}`);
    }
    if (!answer.ok) throw new Error(`snapshot answered ${answer.status}`);
    const { t, values, versions: given } = await answer.json();
    showValues(values);
    showVersions(given);
    fresh(t);
  };

  const poll = () => {
    polling ??= setInterval(() => {
      if (!document.hidden) fetchSnapshot().catch(() => showAge());
    }, POLL_MS);
  };

  const receive = ({ data }) => {
    const message = JSON.parse(data);
    const gap = message.seq !== sequence + 1;
    sequence = message.seq;
    if (gap) fetchSnapshot().catch(() => {});
    if (message.v) showValues(message.v);
    if (message.ver) showVersions(message.ver);
    if (message.f) message.f.flatMap(parts).forEach(refetch);
    if (message.hb || message.v) fresh(message.hb || message.t);
    failures = 0;
    clearInterval(polling);
    polling = null;
  };

  const connect = () => {
    sequence = 0;
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    socket = new WebSocket(`${scheme}://${location.host}/ws/console/`);
    socket.addEventListener("open", tellHidden);
    socket.addEventListener("message", receive);
    socket.addEventListener("close", ({ code }) => {
      failures += 1;
      if (failures >= FAILURES_BEFORE_POLLING) poll();
      if (code === 4001) fetchSnapshot().catch(() => {});
      const wait = Math.min(15000, 500 * 2 ** Math.min(failures - 1, 5));
      setTimeout(connect, wait * (0.7 + 0.6 * Math.random()));
    });
  };

  const tellHidden = () => {
    if (socket.readyState === WebSocket.OPEN) {
      socket.send(JSON.stringify({ hidden: document.hidden }));
    }
  };

  document.addEventListener("visibilitychange", () => {
    tellHidden();
    if (!document.hidden) fetchSnapshot().catch(() => {});
  });
  setInterval(showAge, 1000);
  connect();
}
