// One picture of a robot in its cell, for NiceGUI's scene: bodies, ghosts, zones, the nearest pair, people.
// All of it is numbers; words come as the text of an element, never as markup. It asks nothing of anybody.
import { CSS2DObject, THREE } from "nicegui-scene";
import { Film } from "/film.js";

// Okabe and Ito, "Color Universal Design", 2008: told apart by people with any kind of colour vision.
const COLOURS = {
  moves: [0xe69f00, 1], rests: [0x8a9096, 1], start: [0x56b4e9, 0.3], end: [0x009e73, 0.35], commanded: [0x56b4e9, 0.35],
  near: [0x0072b2, 1], close: [0xd55e00, 1], trace: [0xe69f00, 1], people: [0xcc79a7, 0.75],
  keep_in: [0x0072b2, 0.0], keep_out: [0x7f7f7f, 0.25], restricted: [0xcc79a7, 0.3], speed: [0xf0e442, 0.25],
};
const material = (name) => {
  const [color, opacity] = COLOURS[name] ?? COLOURS.rests;
  const clear = opacity < 1;
  // What is clear lies behind what it coincides with: a ghost never tints the robot that stands where it does.
  return new THREE.MeshLambertMaterial({
    color, opacity, transparent: clear, depthWrite: !clear, polygonOffset: clear, polygonOffsetFactor: 2, polygonOffsetUnits: 8,
  });
};
const DARK = window.matchMedia("(prefers-color-scheme: dark)");
const UPRIGHT = new THREE.Matrix4().makeRotationX(Math.PI / 2); // cylinders stand along z here

function geometry(solid) {
  const [x, y, z] = solid.size;
  if (solid.kind === "sphere") return new THREE.SphereGeometry(x / 2, 14, 9);
  if (solid.kind === "cylinder") return new THREE.CylinderGeometry(x / 2, x / 2, z, 16).applyMatrix4(UPRIGHT);
  if (solid.kind === "box") return new THREE.BoxGeometry(x, y, z);
  const shape = new THREE.BufferGeometry();
  shape.setAttribute("position", new THREE.Float32BufferAttribute(solid.corners, 3));
  shape.computeVertexNormals();
  return shape;
}

function place(object, values, first = 0) {
  object.position.set(values[first], values[first + 1], values[first + 2]);
  object.quaternion.set(values[first + 3], values[first + 4], values[first + 5], values[first + 6]);
}

function lines(numbers, name) {
  const [color, opacity] = COLOURS[name];
  const shape = new THREE.BufferGeometry();
  shape.setAttribute("position", new THREE.Float32BufferAttribute(numbers, 3));
  return new THREE.LineSegments(shape, new THREE.LineBasicMaterial({ color, opacity: opacity || 0.9, transparent: true }));
}

function words(text) {
  const element = document.createElement("div");
  element.className = "picture-words";
  element.textContent = text;
  return new CSS2DObject(element);
}

// Draws what has changed, and seldom where it takes long: without a graphics card a picture takes a core, and a click on
// STOP waits for nothing. Where a change waits for long to be drawn, the picture says that it is old.
class Pace {
  constructor(renderer, picture) {
    const draw = renderer.render.bind(renderer), gl = renderer.getContext(), canvas = renderer.domElement;
    let fence = null, began = 0, next = 0, last = "", changed_at = null, seen = true;
    const sights = new Map();
    const finished = () => {
      const took = performance.now() - began;
      // Of a context that is lost there is no fence, and asking for it is an error.
      if (!gl.isContextLost() && gl.getSyncParameter(fence, gl.SYNC_STATUS) !== gl.SIGNALED)
        return setTimeout(finished, Math.max(POLL, took / 4));
      gl.deleteSync(fence);
      fence = null;
      next = performance.now() + Math.min(took * took / QUICK, LONGEST / 2);
    };
    // The scene's own loop goes on when its card has left: without this every command that waited would cost for ever.
    const end = (scene) => {
      renderer.render = () => {};
      this.watcher.disconnect();
      picture.root.clear();
      scene.clear();
      renderer.dispose();
      renderer.forceContextLoss();
    };
    renderer.render = (scene, camera) => {
      if (!canvas.isConnected) return end(scene);
      const now = performance.now();
      if (picture.film && !sights.has(picture.film.place)) this.watch(picture.film.place);
      picture.film?.tick(now);
      const view = [...camera.position, ...camera.quaternion, canvas.width, canvas.height, DARK.matches, document.hidden].join();
      const changed = picture.wanted || view !== last || now - began > LONGEST;
      changed_at = changed ? changed_at ?? now : null;
      canvas.parentElement.classList.toggle("picture-old", seen && changed_at !== null && now - changed_at > LONGEST);
      if (!changed || !seen || fence !== null || now < next) return;
      picture.settle();
      [last, began, changed_at] = [view, now, null];
      draw(scene, camera);
      fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
      gl.flush();
      setTimeout(finished, POLL);
    };
    // What is scrolled out of sight, with its bar and words, is not drawn at all.
    this.watcher = new IntersectionObserver((told) => {
      for (const one of told) sights.set(one.target, one.isIntersecting);
      seen = [...sights.values()].includes(true);
    });
    this.watch = (element) => {
      sights.set(element, true);
      this.watcher.observe(element);
    };
    this.watch(canvas);
  }
}
const POLL = 4; // [ms]
const QUICK = 5; // [ms]; what takes n times as long is drawn n times as long after the last one, half of LONGEST at most
const LONGEST = 2000; // [ms]

export default class Picture {
  create_mesh(text, kind) {
    const told = JSON.parse(text);
    this.told = told;
    this.root = new THREE.Group();
    this.copies = {};
    for (const zone of told.zones) this.root.add(this.zone(zone));
    if (kind === "preview") {
      const last = told.frames.length - 1;
      this.copy("robot", (body) => (body.moves ? "moves" : "rests"));
      this.copy("start", () => "start", (body) => body.moves);
      this.copy("end", () => "end", (body) => body.moves);
      this.pose("start", told.frames[0]);
      this.pose("end", told.frames[last]);
      this.bones("start", told.bones[0], "start");
      this.bones("end", told.bones[last], "end");
      this.root.add(this.way(told.trace));
      this.pair = this.pair_of();
      this.frame(0);
    } else {
      this.copy("robot", () => "rests");
      this.copy("commanded", () => "commanded");
      this.live(null, null, [], []);
    }
    this.people([], 0);
    this.root.add(this.floor());
    return this.root;
  }

  // Squares of 0.25 m below the robot; whoever draws them learns of the renderer, which no one else tells of.
  floor() {
    const grid = new THREE.GridHelper(3, 12, 0x7a8288, 0x7a8288);
    grid.rotateX(Math.PI / 2);
    grid.material.transparent = true;
    grid.material.opacity = 0.35;
    grid.onBeforeRender = (renderer) => {
      renderer.setClearColor(DARK.matches ? 0x20262b : 0xe4e8eb);
      if (!this.pace) this.pace = new Pace(renderer, this);
    };
    return grid;
  }

  // To be called by the pace right before it draws: picture and words are of one moment.
  settle() {
    this.wanted?.();
    this.wanted = null;
  }

  // What shall be seen next; what was to be seen before and was not drawn yet is never drawn.
  want(change) {
    this.wanted = change;
    if (!this.pace) this.settle();
  }

  // Play the motion, with its bar and buttons in elements of the page, by their ids.
  play_in(place, acts) {
    this.film = new Film(this.told, this, document.getElementById(place), document.getElementById(acts));
    this.show(0);
  }

  rest() {
    this.film.play(false);
  }

  zone(zone) {
    const group = new THREE.Group();
    if (COLOURS[zone.kind][1] > 0)
      for (const solid of zone.solids) {
        const mesh = new THREE.Mesh(geometry(solid), material(zone.kind));
        place(mesh, solid.at);
        group.add(mesh);
      }
    group.add(lines(zone.edges, zone.kind));
    const label = words(zone.name);
    const at = new THREE.Box3().setFromObject(group);
    const flat = at.max.z - at.min.z < 0.02;
    label.position.set(flat ? at.max.x * 0.6 : (at.min.x + at.max.x) / 2, flat ? at.min.y * 0.6 : (at.min.y + at.max.y) / 2, at.max.z);
    group.add(label);
    return group;
  }

  copy(name, colour, wanted = () => true) {
    const group = new THREE.Group();
    group.name = name;
    group.userData.bodies = this.told.bodies.map((body) => {
      const link = new THREE.Group();
      link.name = body.link;
      if (wanted(body))
        for (const solid of body.solids) {
          const mesh = new THREE.Mesh(geometry(solid), material(colour(body)));
          place(mesh, solid.at);
          link.add(mesh);
        }
      group.add(link);
      return link;
    });
    this.copies[name] = group;
    this.root.add(group);
  }

  pose(name, values) {
    this.copies[name].visible = values !== null;
    if (values !== null) this.copies[name].userData.bodies.forEach((link, index) => place(link, values, 7 * index));
  }

  bones(name, numbers, colour) {
    const group = this.copies[name];
    group.userData.bones?.removeFromParent();
    group.userData.bones = lines(numbers, colour);
    group.add(group.userData.bones);
  }

  way(points) {
    const [color] = COLOURS.trace;
    const shape = new THREE.BufferGeometry();
    shape.setAttribute("position", new THREE.Float32BufferAttribute(points, 3));
    return new THREE.Line(shape, new THREE.LineBasicMaterial({ color }));
  }

  pair_of() {
    const group = new THREE.Group();
    const bar = new THREE.Mesh(new THREE.CylinderGeometry(1, 1, 1, 12), material("near"));
    const ends = [0, 1].map(() => new THREE.Mesh(new THREE.SphereGeometry(0.016, 16, 12), bar.material));
    bar.material.depthTest = false; // what lies inside a body is seen, too
    [bar, ...ends].forEach((one) => (one.renderOrder = 1));
    const label = words("");
    label.element.className = "picture-words pair";
    group.add(bar, ...ends, label);
    this.root.add(group);
    return { group, bar, ends, label };
  }

  show(index) {
    this.want(() => this.frame(index));
  }

  frame(index) {
    this.film?.tell(index);
    this.pose("robot", this.told.frames[index]);
    this.bones("robot", this.told.bones[index], "moves");
    const near = this.told.pairs[index];
    const { group, bar, ends, label } = this.pair;
    group.visible = near !== null;
    label.visible = near !== null;
    if (near === null) return;
    const first = new THREE.Vector3(...near.ends.slice(0, 3));
    const second = new THREE.Vector3(...near.ends.slice(3));
    ends[0].position.copy(first);
    ends[1].position.copy(second);
    const way = second.clone().sub(first);
    bar.scale.set(0.006, Math.max(way.length(), 1e-4), 0.006);
    bar.position.copy(first).add(second).multiplyScalar(0.5);
    bar.quaternion.setFromUnitVectors(new THREE.Vector3(0, 1, 0), way.length() > 1e-6 ? way.normalize() : new THREE.Vector3(0, 1, 0));
    bar.material.color.setHex(COLOURS[near.close ? "close" : "near"][0]);
    label.position.copy(bar.position);
    label.element.textContent = near.close ? `${near.words} TOO NEAR` : near.words;
    label.element.classList.toggle("close", near.close);
  }

  ghosts(shown) {
    for (const name of ["start", "end"]) this.copies[name].visible = shown;
    this.wanted ??= () => {};
  }

  live(measured, commanded, measured_bones, commanded_bones) {
    const told = JSON.stringify([measured, commanded, measured_bones, commanded_bones]);
    if (told === this.lived) return;
    this.lived = told;
    this.want(() => this.alive(measured, commanded, measured_bones, commanded_bones));
  }

  alive(measured, commanded, measured_bones, commanded_bones) {
    this.pose("robot", measured);
    this.pose("commanded", commanded);
    this.bones("robot", measured_bones, "rests");
    this.bones("commanded", commanded_bones, "commanded");
  }

  people(points, radius) {
    const told = JSON.stringify([points, radius]);
    if (told === this.peopled) return;
    this.peopled = told;
    this.wanted ??= () => {};
    this.crowd?.removeFromParent();
    this.crowd = new THREE.Group();
    for (const [x, y, z] of points) {
      const ball = new THREE.Mesh(new THREE.SphereGeometry(radius, 16, 12), material("people"));
      ball.position.set(x, y, z);
      this.crowd.add(ball);
    }
    this.root.add(this.crowd);
  }
}
