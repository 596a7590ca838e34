// STOP by the space bar, and the watch that what is shown is not old. All else is the server's.
"use strict";
(() => {
  const form = document.querySelector("form.stop");
  const writes = (element) => element instanceof HTMLElement && (element.matches("input, textarea") || element.isContentEditable);

  // Captured before everything else: no button that has the focus gets the space bar.
  const space = (event) => {
    if (event.key !== " " || writes(event.target)) return;
    event.preventDefault();
    event.stopImmediatePropagation();
    if (event.type === "keydown" && !event.repeat) form.submit();
  };
  window.addEventListener("keydown", space, true);
  window.addEventListener("keyup", space, true);

  const LIMIT = 1500; // ms; the server beats four times a second
  let seen = null;
  let at = -Infinity;
  const look = () => {
    const beat = document.getElementById("beat")?.textContent ?? null;
    const now = performance.now();
    if (beat !== null && beat !== seen) [seen, at] = [beat, now];
    document.body.classList.toggle("lost", now - at > LIMIT);
  };
  document.body.classList.add("lost");
  setInterval(look, 100);
  document.addEventListener("visibilitychange", look);
})();
