// STOP by the space bar, what became of it, and the watch that what is shown is not old. All else is the server's.
"use strict";
(() => {
  const form = document.querySelector("form.stop");
  const frame = document.querySelector("iframe[name=stop_answer]");
  const note = document.getElementById("stopsent");
  const writes = (element) => element instanceof HTMLElement && (element.matches("input:not([type=range], [type=radio]), textarea") || element.isContentEditable);

  // Captured before everything else: no button that has the focus gets the space bar.
  const space = (event) => {
    if (event.key !== " " || writes(event.target)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type === "keydown" && !event.repeat) form.requestSubmit();
  };
  window.addEventListener("keydown", space, true);
  window.addEventListener("keyup", space, true);

  const tell = (text) => {
    note.textContent = text;
    note.hidden = text === "";
  };
  const UNANSWERED = 1500; // ms; the panel itself waits a second for the supervisor
  let sentAt = -Infinity;
  let patience = 0;
  form.addEventListener("submit", (event) => {
    const now = performance.now();
    if (now - sentAt < UNANSWERED) {
      // Another submission of the form would end the one that is on its way: this one goes beside it.
      event.preventDefault();
      fetch("/stop", { method: "POST", keepalive: true }).catch(() => {});
      return;
    }
    sentAt = now;
    tell("STOP sent, no answer yet");
    clearTimeout(patience);
    patience = setTimeout(() => tell("NOT CONFIRMED: the panel does not answer. Press the e-stop button."), UNANSWERED);
  });
  frame.addEventListener("load", () => {
    if (sentAt === -Infinity) return;
    clearTimeout(patience);
    sentAt = -Infinity;
    // Where nobody answers the browser shows a page of its own, into which nobody may look.
    const answered = frame.contentDocument?.body?.matches(".framed");
    tell(answered ? "" : "NOT CONFIRMED: the panel does not answer. Press the e-stop button.");
  });

  // Each beat carries the newest count that the panel had heard from here: the beat is no older than that count. Beats that
  // travel late, or come all at once when the page wakes up, are so told from new ones.
  const LIMIT = 1500; // ms; the panel beats four times a second
  const counts = new Map();
  let count = 0;
  let seen = null;
  let freshAt = -Infinity;
  let clock = Date.now() - performance.now();
  const forget = () => {
    counts.clear();
    freshAt = -Infinity;
    document.body.classList.add("lost");
  };
  // Where the banner is scrolled away one line stands for it: it covers less.
  const fold = () => {
    const word = document.querySelector(".nicegui-content .banner .state");
    document.body.classList.toggle("scrolled", word !== null && word.getBoundingClientRect().bottom < 56);
  };
  document.addEventListener("scroll", fold, { passive: true });
  const look = () => {
    fold();
    const now = performance.now();
    // In the sleep of a machine the steady clock may stand still, the wall clock does not.
    const between = Date.now() - now;
    if (Math.abs(between - clock) > 500) forget();
    clock = between;
    const beat = document.getElementById("beat");
    const text = beat?.textContent ?? "";
    if (text !== "" && text !== seen) {
      seen = text;
      const heard = Number(text.split(" ")[1]);
      freshAt = counts.get(heard) ?? freshAt;
      for (const one of counts.keys()) if (one <= heard) counts.delete(one);
      counts.set((count += 1), now);
      beat.dispatchEvent(new CustomEvent("echo", { detail: [count, document.hidden] })); // pictures are for who sees them
    }
    document.body.classList.toggle("lost", now - freshAt > LIMIT);
  };
  forget();
  setInterval(look, 100);
  // What was there when nobody could look is old until the panel has been heard again.
  for (const kind of ["visibilitychange", "freeze", "resume", "pageshow"]) {
    (kind === "pageshow" ? window : document).addEventListener(kind, forget);
  }
  window.addEventListener("pageshow", (event) => event.persisted && location.reload());
})();
