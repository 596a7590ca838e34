// Plays one motion in the browser, by its steady clock: bar, words and buttons below a picture. The panel only says once
// where they go: a motion that plays costs neither the panel nor the line anything, and stays so however many watch.
const LONGEST_PLAY = 8; // what lasts longer is played faster, [s]
const REST = 1; // at the end of a motion, before it is played again, [s]

export class Film {
  // told: what `panel.picture` made of a preview. picture: its `show` draws a frame, its `ghosts` shows ghosts or none.
  // place, acts: empty elements of the page, for bar and words, and for buttons.
  constructor(told, picture, place, acts) {
    const { times, worst } = told;
    [this.told, this.picture, this.place, this.end] = [told, picture, place, times[times.length - 1]];
    this.pace = Math.max(1, this.end / LONGEST_PLAY);
    [this.index, this.plays, this.from] = [0, false, 0];
    place.replaceChildren();
    acts.replaceChildren();
    // The browser's own, as the focus then lies on what a screen reader calls a slider.
    this.bar = place.appendChild(document.createElement("input"));
    Object.assign(this.bar, { type: "range", min: 0, max: times.length - 1, step: 1 });
    this.bar.setAttribute("aria-label", "time of the motion");
    this.bar.addEventListener("input", () => this.scrub(this.bar.valueAsNumber));
    this.words = place.appendChild(document.createElement("div"));
    this.words.className = "caption";
    const button = (text, press) => {
      const made = acts.appendChild(document.createElement("button"));
      [made.type, made.className, made.textContent] = ["button", "small", text];
      made.addEventListener("click", () => press(made));
      return made;
    };
    this.button = button("PAUSE", () => this.play(!this.plays));
    if (worst !== null) button("LEAST ROOM", () => this.scrub(worst));
    button("NO GHOSTS", (pressed) => {
      const shown = pressed.textContent === "GHOSTS";
      pressed.textContent = shown ? "NO GHOSTS" : "GHOSTS";
      picture.ghosts(shown);
    });
    this.play(true);
  }

  play(plays) {
    const passed = this.index === this.told.times.length - 1 ? 0 : this.told.times[this.index] / this.pace;
    [this.plays, this.from] = [plays, performance.now() - 1000 * passed];
    this.button.textContent = plays ? "PAUSE" : "PLAY";
  }

  // To be called again and again, [ms] of the browser's steady clock; a hidden page plays nothing.
  tick(now) {
    if (!this.plays || document.hidden) return;
    let passed = (this.pace * (now - this.from)) / 1000;
    if (passed > this.end + REST * this.pace) [this.from, passed] = [now, 0];
    const index = Math.max(0, this.told.times.filter((at) => at <= passed).length - 1);
    if (index !== this.index) this.picture.show((this.index = index));
  }

  scrub(index) {
    this.index = index;
    this.play(false);
    this.picture.show(index);
  }

  // To be called right as a frame is drawn: bar and words never tell another one.
  tell(index) {
    const at = this.told.times[index].toFixed(2);
    const pace = this.pace === 1 ? "" : `, played ${this.pace.toFixed(1)} times as fast`;
    this.bar.value = index;
    this.bar.setAttribute("aria-valuetext", `${at} s`);
    this.words.textContent = `${at} s of ${this.end.toFixed(2)} s${pace}. ${this.told.near[index]}`;
  }
}
