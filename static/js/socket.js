// Keeps the page current: one socket, polling when it is down, and honesty about the data's age.
"use strict";
{
  const STALE_AFTER_MS = 7000;
  const POLL_MS = 3000;
  const FAILURES_BEFORE_POLLING = 3;

  const body = document.body;
  let socket = null;
  let sequence = 0;
  let failures = 0;
  let currentAt = Date.now();
  let polling = null;

  const clock = (ms) => new Date(ms).toISOString().slice(11, 19);

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
      Parts.setText(banner.querySelector("[data-stale-text]"), text);
    }
  };

  const fetchSnapshot = async () => {
    const answer = await fetch(body.dataset.snapshot, { headers: { Accept: "application/json" } });
    if (answer.status === 401 || answer.status === 403) {
      location.assign(`${body.dataset.login}?next=${encodeURIComponent(location.pathname)}`);
    }
    if (!answer.ok) throw new Error(`snapshot answered ${answer.status}`);
    const { t, values, versions: given } = await answer.json();
    Parts.showValues(values);
    Parts.showVersions(given);
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
    if (message.v) Parts.showValues(message.v);
    if (message.ver) Parts.showVersions(message.ver);
    if (message.f) message.f.forEach(Parts.fetchAgain);
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
