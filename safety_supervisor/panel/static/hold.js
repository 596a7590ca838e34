// The hold-to-run button: beats while it is pressed, by finger, mouse or the key H, and by nothing else.
"use strict";
(() => {
  const PERIOD = 100; // ms
  let timer = 0;
  let by = null; // what presses it: the id of a pointer, or "key"
  let number = 0; // of the press
  const release = () => {
    clearInterval(timer);
    timer = 0;
    by = null;
    document.getElementById("hold")?.classList.remove("pressed");
  };
  const beat = () => {
    const button = document.getElementById("hold");
    // Whoever looks elsewhere, or at what is old, holds nothing.
    if (!button || document.hidden || !document.hasFocus() || document.body.classList.contains("lost")) return release();
    const newest = Number(document.getElementById("beat")?.textContent.split(" ")[0]);
    button.dispatchEvent(new CustomEvent("held", { detail: [number, newest] }));
  };
  const press = (what) => {
    if (timer !== 0) return;
    by = what;
    number++;
    timer = setInterval(beat, PERIOD);
    document.getElementById("hold")?.classList.add("pressed");
    beat();
  };
  const writes = (element) => element instanceof HTMLElement && (element.matches("input:not([type=range], [type=radio]), textarea") || element.isContentEditable);
  const onButton = (event) => event.target instanceof Element && event.target.closest("#hold") !== null;
  document.addEventListener("pointerdown", (event) => {
    if (!onButton(event) || event.button !== 0) return;
    event.preventDefault();
    press(event.pointerId);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    window.addEventListener(kind, (event) => event.pointerId === by && release(), true);
  }
  // Off the button is off the button.
  document.addEventListener("pointermove", (event) => {
    if (event.pointerId !== by) return;
    const under = document.elementFromPoint(event.clientX, event.clientY);
    if (!under || under.closest("#hold") === null) release();
  });
  document.addEventListener("contextmenu", (event) => onButton(event) && event.preventDefault());
  window.addEventListener("keydown", (event) => {
    const bare = !event.ctrlKey && !event.altKey && !event.metaKey;
    const shown = document.getElementById("hold")?.offsetParent !== null;
    if (event.key.toLowerCase() === "h" && bare && shown && !event.repeat && !writes(event.target)) press("key");
  });
  window.addEventListener("keyup", (event) => event.key.toLowerCase() === "h" && by === "key" && release(), true);
  for (const kind of ["blur", "pagehide", "freeze"]) window.addEventListener(kind, release);
  document.addEventListener("visibilitychange", release);
})();
