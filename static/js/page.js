// Dialogs, filters that submit themselves, and the reader's own time as a tooltip.
"use strict";
{
  const localTimes = (root) => {
    for (const node of root.querySelectorAll("time[datetime]:not([title])")) {
      const moment = new Date(node.dateTime);
      node.title = `${moment.toLocaleString()} local time`;
    }
  };

  document.addEventListener("click", (event) => {
    const opener = event.target.closest("[data-dialog]");
    if (opener) document.getElementById(opener.dataset.dialog).showModal();
    const closer = event.target.closest("[data-close]");
    if (closer) closer.closest("dialog").close();
    if (event.target.matches("dialog")) event.target.close();
  });

  document.addEventListener("change", (event) => {
    if (event.target.matches("[data-submit]")) event.target.form.requestSubmit();
  });

  // A wish was answered: its dialog has done its work, and the answer stands in the notices.
  document.addEventListener("htmx:afterRequest", (event) => {
    const dialog = event.target.closest("dialog[open]");
    if (dialog) dialog.close();
  });

  // The session ended: the login page belongs into the window, not into a part of this page.
  document.addEventListener("htmx:beforeSwap", ({ detail }) => {
    const { login } = document.body.dataset;
    if (new URL(detail.xhr.responseURL, location.href).pathname !== login) return;
    detail.shouldSwap = false;
    location.assign(`${login}?next=${encodeURIComponent(location.pathname)}`);
  });

  document.addEventListener("htmx:afterSettle", (event) => localTimes(event.target));
  localTimes(document);
}
