// Jog: beats while one button is pressed, by finger, mouse or Enter, and by nothing else. What counts is the server's word.
"use strict";
(() => {
  const PERIOD = 50; // ms
  let timer = 0;
  let pressed = null; // the button
  let by = null; // what presses it: the id of a pointer, or "key"
  let number = 0; // of the press; greater than any of a page before
  const down = new Set(); // pointers on buttons: of two at once neither counts, until both are up
  const section = () => document.getElementById("jog");
  const say = (kind, detail) => section()?.dispatchEvent(new CustomEvent(kind, { detail }));
  const chosen = (name) => document.querySelector(`#jog input[name=${name}]:checked`)?.value ?? "0";
  const ask = () => {
    const [kind, which, axis, sign] = pressed.dataset.jog.split(" ");
    const seen = Number(document.getElementById("jogecho")?.textContent || 0);
    const speed = Number(document.getElementById("jogspeed")?.value);
    return [
      number, seen, kind, Number(which), Number(axis), Number(sign), Number(chosen("jogstep")),
      chosen("jogframe") === "1", speed,
    ];
  };
  const release = () => {
    if (timer === 0) return;
    clearInterval(timer);
    timer = 0;
    by = null;
    pressed.classList.remove("pressed");
    pressed = null;
    say("letgo", number);
  };
  const beat = () => {
    const blind = document.hidden || !document.hasFocus() || document.body.classList.contains("lost");
    if (blind || !pressed.isConnected || pressed.matches(":disabled")) return release();
    say("held", ask());
  };
  const press = (button, what) => {
    if (button.matches(":disabled")) return;
    number = Math.max(number + 1, Date.now());
    [pressed, by] = [button, what];
    timer = setInterval(beat, PERIOD);
    button.classList.add("pressed");
    beat();
  };
  const buttonOf = (event) => (event.target instanceof Element ? event.target.closest("#jog [data-jog]") : null);
  const two = () => {
    release();
    say("two", 0);
  };
  document.addEventListener("pointerdown", (event) => {
    const button = buttonOf(event);
    if (!button || event.button !== 0) return;
    event.preventDefault();
    down.add(event.pointerId);
    if (timer !== 0 || down.size > 1) return two();
    press(button, event.pointerId);
  });
  for (const kind of ["pointerup", "pointercancel"]) {
    window.addEventListener(kind, (event) => {
      down.delete(event.pointerId);
      if (event.pointerId === by) release();
    }, true);
  }
  document.addEventListener("pointermove", (event) => {
    if (event.pointerId !== by) return;
    const under = document.elementFromPoint(event.clientX, event.clientY);
    if (!under || under.closest("[data-jog]") !== pressed) release();
  });
  document.addEventListener("contextmenu", (event) => buttonOf(event) && event.preventDefault());
  window.addEventListener("keydown", (event) => {
    const button = buttonOf(event);
    if (event.key !== "Enter" || !button) return;
    event.preventDefault();
    if (event.repeat) return;
    if (timer !== 0 || down.size > 0) return two();
    press(button, "key");
  });
  window.addEventListener("keyup", (event) => event.key === "Enter" && by === "key" && release(), true);
  document.addEventListener("focusout", (event) => by === "key" && event.target === pressed && release());
  for (const kind of ["blur", "pagehide", "freeze"]) {
    window.addEventListener(kind, () => {
      down.clear();
      release();
    });
  }
  document.addEventListener("visibilitychange", release);
  document.addEventListener("input", (event) => {
    if (event.target.id !== "jogspeed") return;
    document.getElementById("jogshown").textContent = `${event.target.value} mm/s`;
    event.target.setAttribute("aria-valuetext", `${event.target.value} millimetres per second`);
  });
})();
