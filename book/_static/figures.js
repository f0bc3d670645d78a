// Figures that answer the hand. A cell writes <div class="hand" data-figure="NAME"> with its numbers as JSON inside
// (audiolib.page.figure); here each gets sliders, buttons, drawings and a sentence that says what is seen.
// Without this script, and on paper, the div only names the figure of the chapter that shows the same standing still.
const hand = (() => {
  // --- numbers: what the tests hold against Python ------------------------------------------------------------------

  const hann = (n) => Float64Array.from({length: n}, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / n));
  const sum = (values) => values.reduce((a, b) => a + b, 0);
  const range = (n) => [...Array(n).keys()];

  // Amplitudes of the cosine and the sine of a frequency in a signal: chapter 2's how_much.
  function ask(y, sr, hz) {
    let c = 0, s = 0;
    y.forEach((value, i) => {
      c += value * Math.cos((2 * Math.PI * hz * i) / sr);
      s += value * Math.sin((2 * Math.PI * hz * i) / sr);
    });
    return [(2 * c) / y.length, (2 * s) / y.length];
  }

  // Squared magnitudes [size / 2 + 1] of a piece of y that is centred on a sample, behind a window.
  function power(y, centre, window, size = window.length) {
    const re = new Float64Array(size), im = new Float64Array(size), begin = Math.round(centre) - window.length / 2;
    for (let i = 0; i < window.length; i++) re[i] = (y[begin + i] || 0) * window[i];
    fft(re, im);
    return Float64Array.from({length: size / 2 + 1}, (_, k) => re[k] ** 2 + im[k] ** 2);
  }

  // Amplitudes at frequencies from 0 to sr / 2, by one transform of the signal with zeros behind it.
  const spectrum = (y, size) =>
    [...power(y, size / 2, new Float64Array(size).fill(1))].map((square) => (2 * Math.sqrt(square)) / y.length);

  const dB = (ratio) => 10 * Math.log10(Math.max(ratio, 1e-20));

  // Are the two tones apart, and the two clicks, through this window and at this hop? A valley of 6 dB is asked for.
  function lamps({y, sr, clicks}, length, hop) {
    const window = hann(length), at = [0, 0, 0];
    for (let start = 3000; start < 3551; start += 19) // the mean of a beat, as in the chapter
      [1000, 1020, 1040].forEach((hz, i) => {
        let re = 0, im = 0;
        for (let n = 0; n < length; n++) {
          const value = y[start + n] * window[n], angle = (2 * Math.PI * hz * n) / sr;
          re += value * Math.cos(angle);
          im -= value * Math.sin(angle);
        }
        at[i] += re * re + im * im;
      });
    const tones = dB(at[1] / Math.min(at[0], at[2]));
    const above = (centre) => sum(power(y, centre, window, 8192).subarray(1115)); // 3 kHz
    const full = above(clicks[0]), half = (clicks[1] - clicks[0]) / 2;
    const columns = range(Math.ceil(y.length / hop)).map((i) => i * hop)
      .filter((t) => t > clicks[0] - half && t < clicks[1] + half).map((t) => [t, dB(above(t) / full)]);
    const levels = (low, high) => columns.filter(([t]) => t > low && t < high).map(([, level]) => level);
    const seen = clicks.map((t) => Math.max(-200, ...levels(t - half, t + half)));
    const between = Math.min(0, ...levels(...clicks));
    return {tones: tones < -6, clicks: Math.min(...seen) > -6 && between < -6, stepped: Math.min(...seen) <= -6};
  }

  // The cosine transform of chapter 6, and the levels that its first so many coefficients make.
  const wave = (k, n, N) => Math.sqrt((k ? 2 : 1) / N) * Math.cos(((Math.PI * k) / N) * (n + 0.5));
  const dct = (levels) => levels.map((_, k) => sum(levels.map((level, n) => level * wave(k, n, levels.length))));
  const rebuilt = (coefficients, count) => coefficients.map((_, n) =>
    sum(coefficients.slice(0, count).map((value, k) => value * wave(k, n, coefficients.length))));

  // Weights and multiply-adds of a standard and of a separable layer on P places.
  function bill(k, C, N, P) {
    const weights = [k * C * N, k * C + C * N];
    return {weights, work: weights.map((n) => n * P)};
  }

  // Of the cards in the test part ("x"), how many find no card of training ("t") of the same owner.
  function alone(deal, owner) {
    const known = new Set([...deal].flatMap((part, i) => (part === "t" ? [owner[i]] : [])));
    return [...deal].filter((part, i) => part === "x" && !known.has(owner[i])).length;
  }

  // --- elements -----------------------------------------------------------------------------------------------------

  let count = 0;
  function make(tag, attributes = {}, ...children) {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes))
      if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
      else element.setAttribute(name, value);
    element.append(...children);
    return element;
  }

  // A range over a list of values, with its label and its value in words.
  function slider(label, values, start, say, change) {
    const shown = make("span", {"aria-hidden": "true"}); // the range says it itself
    const input = make("input", {type: "range", min: 0, max: values.length - 1});
    const self = {element: make("label", {class: "hand-slider"}, make("span", {}, label), input, shown)};
    const tell = () => {
      self.value = values[input.value];
      shown.textContent = say(self.value);
      input.setAttribute("aria-valuetext", say(self.value));
    };
    self.set = (value) => { input.value = values.indexOf(value); tell(); };
    input.addEventListener("input", () => { tell(); change(); });
    self.set(start);
    return self;
  }

  function choice(label, options, change) {
    const id = `hand-${++count}`;
    const select = make("select", {id, onchange: change}, ...options.map((name) => make("option", {}, name)));
    return {element: make("div", {class: "hand-choice"}, make("label", {for: id}, label), select), select};
  }

  const button = (name, press) => make("button", {type: "button", onclick: press}, name);
  const row = (...children) => make("div", {class: "hand-row"}, ...children);
  const says = () => make("p", {class: "hand-says", role: "status"});

  // A drawing as wide as its place, sharp on every screen; draw(g, width, height, colour) is called when it must be.
  function drawing(height, alt, draw) {
    const canvas = make("canvas", {role: "img", "aria-label": alt, style: `height: ${height}px`});
    const paint = () => {
      const width = canvas.clientWidth, style = getComputedStyle(canvas), scale = devicePixelRatio || 1;
      if (!width) return;
      [canvas.width, canvas.height] = [width * scale, height * scale];
      const g = canvas.getContext("2d");
      g.scale(scale, scale);
      g.font = "12px system-ui, sans-serif";
      draw(g, width, height, (name) => style.getPropertyValue(`--hand-${name}`));
    };
    new ResizeObserver(paint).observe(canvas);
    new MutationObserver(paint).observe(document.documentElement, {attributeFilter: ["data-theme"]});
    return {element: canvas, paint};
  }

  function line(g, points, colour, width = 1.5) {
    g.beginPath();
    points.forEach(([x, y]) => g.lineTo(x, y));
    g.strokeStyle = colour;
    g.lineWidth = width;
    g.stroke();
  }

  function dot(g, x, y, radius, colour) {
    g.beginPath();
    g.arc(x, y, radius, 0, 7);
    g.fillStyle = colour;
    g.fill();
  }

  function words(g, text, x, y, colour, align = "left") {
    g.fillStyle = colour;
    g.textAlign = align;
    g.fillText(text, x, y);
  }

  // --- sound: one at a time -----------------------------------------------------------------------------------------

  let context, playing = [];
  const hush = () => { playing.forEach((node) => node.stop()); playing = []; };
  document.addEventListener("play", hush, true); // a player of the page

  function listen(sr) {
    hush();
    document.querySelectorAll("audio").forEach((player) => player.pause());
    if (!context || context.sampleRate !== sr) context = new AudioContext({sampleRate: sr});
    context.resume();
    return context;
  }

  function decode(url, context) {
    const bytes = Uint8Array.from(atob(url.split(",")[1]), (letter) => letter.charCodeAt(0));
    return context.decodeAudioData(bytes.buffer);
  }

  function source(context, buffer, target, when = 0, offset = 0, seconds = buffer.duration, loop = false) {
    const node = new AudioBufferSourceNode(context, {buffer, loop});
    if (target) node.connect(target);
    if (loop) node.start(when); else node.start(when, offset, seconds);
    playing.push(node);
    return node;
  }

  // --- the figures --------------------------------------------------------------------------------------------------

  const draw = {};

  // Chapter 2: swing along with a sound.
  draw.swing = (live, {y, sr, hertz}) => {
    const asked = new Map(), SIZE = 16384, all = spectrum(y, SIZE);
    let whole = false, now;
    const round = (value) => (Math.abs(value) < 0.0005 ? 0 : value).toFixed(3).replace("-", "\u2212");
    const test = (i) => Math.cos((2 * Math.PI * hz.value * i) / sr - (phase.value * Math.PI) / 180);
    const change = () => {
      const [c, s] = ask(y, sr, hz.value), turn = (phase.value * Math.PI) / 180;
      now = {c, s, length: Math.hypot(c, s), mean: c * Math.cos(turn) + s * Math.sin(turn)};
      asked.set(hz.value, now.length);
      text.textContent = `At ${hz.value}\u202fHz the cosine answers ${round(c)} and the sine ${round(s)}; the arrow is ` +
        `${round(now.length)} long. The test wave at ${phase.value} degrees answers ${round(now.mean)}: ` +
        (Math.abs(now.mean) < 0.02 ? "blue and orange cancel." : `${now.mean > 0 ? "blue" : "orange"} prevails.`);
      [waves, arrow, curve].forEach((one) => one.paint());
    };
    const fives = (from, to) => range((to - from) / 5 + 1).map((i) => from + 5 * i);
    const hz = slider("Frequency of the test wave", fives(...hertz), 425, (f) => `${f}\u202fHz`, () => change());
    const degrees = (p) => `${p}°${{0: ", cosine", 90: ", sine"}[p] || ""}`;
    const phase = slider("Its phase", fives(0, 360), 0, degrees, () => change());
    const waves = drawing(230, "The sound with the test wave above, their product below", (g, w, h, colour) => {
      const x = (i) => (w * i) / y.length, middle = 0.27 * h, base = 0.78 * h, high = 0.2 * h, most = 0.6;
      line(g, y.map((_, i) => [x(i), middle - high * test(i)]), colour("soft"), 1);
      line(g, y.map((value, i) => [x(i), middle - (high * value) / most]), colour("ink"));
      for (const [sign, name] of [[1, "blue"], [-1, "orange"]]) {
        g.fillStyle = colour(name);
        g.beginPath();
        g.moveTo(0, base);
        y.forEach((value, i) => g.lineTo(x(i), base - (high * sign * Math.max(0, sign * value * test(i))) / most));
        g.lineTo(w, base);
        g.fill();
      }
      const mean = base - (high * now.mean) / 2 / most;
      g.setLineDash([6, 4]);
      line(g, [[0, mean], [w, mean]], colour("ink"));
      g.setLineDash([]);
      words(g, "the sound (strong) and the test wave", 2, 12, colour("ink"));
      words(g, "their product and its mean (dashed)", 2, h / 2 + 10, colour("ink"));
    });
    const arrow = drawing(210, "The pair as an arrow, and the test wave's direction", (g, w, h, colour) => {
      const x = w / 2, y0 = h / 2, r = Math.min(w, h) / 2 - 18, scale = r / 0.45, turn = (phase.value * Math.PI) / 180;
      g.beginPath();
      g.arc(x, y0, r, 0, 7);
      g.strokeStyle = colour("soft");
      g.stroke();
      line(g, [[x - r, y0], [x + r, y0]], colour("soft"), 0.5);
      line(g, [[x, y0 - r], [x, y0 + r]], colour("soft"), 0.5);
      words(g, "cosine", x + r, y0 - 4, colour("ink"), "right");
      words(g, "sine", x + 4, y0 - r + 12, colour("ink"));
      const to = (size, angle) => [x + size * Math.cos(angle), y0 - size * Math.sin(angle)];
      line(g, [[x, y0], to(r, turn)], colour("soft"), 2);
      g.setLineDash([3, 3]);
      const tip = to(scale * now.length, Math.atan2(now.s, now.c));
      line(g, [tip, to(scale * now.mean, turn)], colour("soft"));
      g.setLineDash([]);
      line(g, [[x, y0], to(scale * now.mean, turn)], colour(now.mean > 0 ? "blue" : "orange"), 6);
      line(g, [[x, y0], tip], colour("ink"), 2.5);
      dot(g, ...tip, 4, colour("ink"));
    });
    const curve = drawing(210, "The length of the arrow over the frequencies asked for", (g, w, h, colour) => {
      const x = (f) => 30 + ((w - 40) * (f - hertz[0])) / (hertz[1] - hertz[0]);
      const up = (a) => h - 30 - ((h - 50) * a) / 0.45;
      line(g, [[30, up(0)], [w, up(0)]], colour("soft"), 1);
      [0, 0.2, 0.4].forEach((a) => words(g, `${a}`, 24, up(a) + 4, colour("ink"), "right"));
      range(8).map((i) => 200 + 100 * i).filter((f) => f <= hertz[1])
        .forEach((f) => words(g, f % 200 && w < 400 ? "" : `${f}`, x(f), h - 12, colour("ink"), "center"));
      if (whole) line(g, all.map((a, k) => [(k * sr) / SIZE, a]).filter(([f]) => f >= hertz[0] && f <= hertz[1])
        .map(([f, a]) => [x(f), up(a)]), colour("ink"), 1);
      asked.forEach((a, f) => {
        line(g, [[x(f), up(0)], [x(f), up(a)]], colour("blue"), f === hz.value ? 3 : 1);
        dot(g, x(f), up(a), f === hz.value ? 5 : 2.5, colour("blue"));
      });
      words(g, "Hz", w - 2, h - 12, colour("ink"), "right");
    });
    const text = says(), clear = () => { whole = false; asked.clear(); change(); };
    live.append(hz.element, phase.element, waves.element, row(arrow.element, curve.element), text,
      row(button("Ask for every frequency", () => { whole = true; change(); }), button("Forget the answers", clear)));
    change();
  };

  // Chapter 3: a window and a hop for two tones and two clicks.
  const PAPER = ["#fffdf8", "#f9d9b0", "#ee9f7d", "#c9606f", "#8a3672", "#4b2364", "#150e33"]
    .map((hex) => [1, 3, 5].map((i) => parseInt(hex.slice(i, i + 2), 16)));
  const PLACES = [0, 0.118, 0.289, 0.487, 0.676, 0.828, 1];
  function paper(share) { // from paper to ink, as in audiolib.plots
    const s = Math.min(1, Math.max(0, share)), i = Math.max(1, PLACES.findIndex((place) => s <= place));
    const part = (s - PLACES[i - 1]) / (PLACES[i] - PLACES[i - 1]);
    return PAPER[i].map((value, j) => PAPER[i - 1][j] + part * (value - PAPER[i - 1][j]));
  }

  draw.look = (live, data) => {
    const {y, sr, seconds, hertz} = data, loudest = 20 * Math.log10(0.05) + 3, pictures = new Map();
    const picture = () => {
      const key = `${size.value} ${hop.value}`, window = hann(size.value);
      if (!pictures.has(key)) {
        const first = Math.round((seconds[0] * sr) / hop.value), last = Math.round((seconds[1] * sr) / hop.value);
        const low = Math.round((hertz[0] * size.value) / sr), high = Math.round((hertz[1] * size.value) / sr);
        const image = new ImageData(last - first + 1, high - low + 1);
        for (let t = first; t <= last; t++) {
          const column = power(y, t * hop.value, window);
          for (let k = low; k <= high; k++) {
            const level = dB(column[k] / (size.value / 4) ** 2);
            image.data.set([...paper((level - loudest + 58) / 58), 255], 4 * ((high - k) * image.width + t - first));
          }
        }
        pictures.set(key, {image, left: (first - 0.5) * hop.value / sr, right: (last + 0.5) * hop.value / sr,
          low: (low - 0.5) * sr / size.value, high: (high + 0.5) * sr / size.value});
      }
      return pictures.get(key);
    };
    const change = () => {
      const lit = lamps(data, size.value, hop.value);
      for (const name of ["tones", "clicks"]) {
        lamp[name].classList.toggle("hand-lit", lit[name]);
        lamp[name].textContent = `${name} apart: ${lit[name] ? "yes" : "no"}`;
      }
      text.textContent = `A window of ${(1000 * size.value / sr).toFixed(0)}\u202fms every ` +
        `${(1000 * hop.value / sr).toFixed(1)}\u202fms: ` + (lit.tones ? "two level lines and one broad upright bar." :
        lit.clicks ? "two upright bars and one broad level band." :
        lit.stepped ? "the columns step over a click." : "neither pair is told apart.");
      view.paint();
    };
    const powers = (from, to) => range(to - from + 1).map((i) => 2 ** (from + i)), say = (n) => `${n} samples`;
    const size = slider("Window", powers(6, 13), 1024, say, () => change());
    const hop = slider("Hop", powers(4, 11), 64, say, () => change());
    const lamp = {tones: make("span", {class: "hand-lamp"}), clicks: make("span", {class: "hand-lamp"})};
    const view = drawing(280, "The spectrogram of two tones and two clicks", (g, w, h, colour) => {
      const p = picture(), sheet = make("canvas", {width: p.image.width, height: p.image.height});
      const x = (t) => 44 + ((w - 50) * (t - seconds[0])) / (seconds[1] - seconds[0]);
      const up = (f) => h - 34 - ((h - 40) * (f - hertz[0])) / (hertz[1] - hertz[0]);
      sheet.getContext("2d").putImageData(p.image, 0, 0);
      g.save();
      g.beginPath();
      g.rect(x(seconds[0]), up(hertz[1]), x(seconds[1]) - x(seconds[0]), up(hertz[0]) - up(hertz[1]));
      g.clip();
      g.imageSmoothingEnabled = false;
      g.drawImage(sheet, x(p.left), up(p.high), x(p.right) - x(p.left), up(p.low) - up(p.high));
      g.restore();
      [0.4, 0.45, 0.5, 0.55].forEach((t) => words(g, `${t}`, x(t), h - 20, colour("ink"), "center"));
      [600, 1000, 1400].forEach((f) => words(g, `${f}`, 40, up(f) + 4, colour("ink"), "right"));
      words(g, "Time (s)", w / 2, h - 4, colour("ink"), "center");
      words(g, "Hz", 40, 16, colour("ink"), "right");
    });
    const text = says();
    live.append(size.element, hop.element, row(lamp.tones, lamp.clicks), view.element, text);
    change();
  };

  // Chapter 6: how many coefficients does a frame need?
  draw.keep = (live, {levels, sounds, sr}) => {
    const coefficients = dct(levels), N = levels.length, mean = sum(levels) / N;
    const spread = sum(levels.map((level) => (level - mean) ** 2));
    let built;
    const change = () => {
      built = rebuilt(coefficients, kept.value);
      const left = sum(levels.map((level, n) => (level - built[n]) ** 2));
      text.textContent = `${kept.value} of ${N} coefficients: an error of ${Math.sqrt(left / N).toFixed(1)}\u202fdB. ` +
        `They keep ${Math.round(100 * (1 - left / spread))}\u202f% of the variation between the bands.`;
      view.paint();
    };
    const kept = slider("Coefficients kept", range(N).map((i) => i + 1), 13, (n) => `${n}`, () => change());
    const view = drawing(300, "Levels of one frame and what the first coefficients make of them", (g, w, h, colour) => {
      const low = Math.min(...levels), high = Math.max(...levels), x = (n) => 4 + ((w - 8) * (n + 0.5)) / N;
      const up = (level) => 20 + (170 * (high - level)) / (high - low);
      line(g, levels.map((level, n) => [x(n), up(level)]), colour("soft"), 1.2);
      line(g, built.map((level, n) => [x(n), up(level)]), colour("blue"), 2.2);
      const ends = [low, high].map((level) => `${Math.round(level)}`.replace("-", "\u2212"));
      words(g, `bands 0 to ${N - 1}, ${ends.join(" to ")}\u202fdB; rebuilt in blue`, 2, 12, colour("ink"));
      const tall = Math.max(...coefficients.slice(1).map(Math.abs)), base = 255;
      coefficients.forEach((value, k) => {
        g.fillStyle = colour(k < kept.value ? "blue" : "soft");
        const size = Math.max(-38, Math.min(38, (38 * value) / tall)); // the first one measures loudness: cut off
        g.fillRect(x(k) - (w / N) * 0.35, base - Math.max(0, size), (w / N) * 0.7, Math.abs(size));
      });
      words(g, `coefficients 0 to ${N - 1}; kept in blue`, 2, 210, colour("ink"));
    });
    const text = says();
    const hear = (count) => button(`Hear ${count}`, async () => {
      kept.set(count);
      change();
      const context = listen(sr), buffer = await decode(sounds[count], context);
      hush();
      source(context, buffer, context.destination);
    });
    live.append(kept.element, view.element, text,
      row(...Object.keys(sounds).map(Number).map(hear), button("Stop", hush)));
    change();
  };

  // Chapter 8: the mixing desk.
  const equaliser = (e, {dull, same}) => dull.map((value, j) => (e < 0 ? (1 + e) * same[j] : same[j]) - e * value);

  // Stems through a kernel for each pair of stem and side, added up on each side; gives back what loads the kernels.
  function patch(context, sources, target) {
    const out = new ChannelMergerNode(context, {numberOfInputs: 2});
    out.connect(target);
    const filters = sources.map((node) => [0, 1].map((o) => {
      const filter = new ConvolverNode(context, {disableNormalization: true});
      node.connect(filter).connect(out, 0, o);
      return filter;
    }));
    return (kernel) => filters.forEach((pair, s) => pair.forEach((filter, o) => {
      const values = Float32Array.from(kernel(s, o)).reverse(); // the chapter's kernels look ahead
      const buffer = new AudioBuffer({length: values.length, sampleRate: context.sampleRate});
      buffer.copyToChannel(values, 0);
      filter.buffer = buffer;
    }));
  }

  draw.desk = (live, data) => {
    const {stems, sr, dull, faders, start} = data, sides = ["left", "right"], names = Object.keys(stems);
    let load = () => {}, shown = "separable";
    const kernel = (s, o) => equaliser(strips[s].eq[shown === "full" ? o : 0].value, data)
      .map((value) => value * strips[s].fader[o].value);
    const change = () => {
      shown = mode.select.value;
      const parted = [];
      strips.forEach((strip, s) => {
        strip.eq[1].element.hidden = shown === "separable";
        strip.eq[0].element.firstChild.textContent = shown === "separable" ? "Tone" : "Tone, left";
        if (strip.eq[0].value !== strip.eq[1].value) parted.push(names[s].toLowerCase());
        strip.view.paint();
      });
      load(kernel);
      const k = dull.length, C = names.length, counts = bill(k, C, 2, 1).weights;
      text.textContent = shown === "separable" ?
        `Separable: ${C} equalisers of ${k} weights and ${2 * C} faders, ${counts[1]} weights. ` +
        "Left and right get the same curve of a stem, higher or lower." :
        `Full: ${2 * C} equalisers of ${k} weights with their loudness in them, ${counts[0]} weights. ` +
        (parted.length ? `Two curves for the ${parted.join(" and the ")}: the separable desk cannot do that.` :
          "So far nothing that the separable desk could not do.");
    };
    const tenths = range(21).map((i) => (i - 10) / 10), loud = range(21).map((i) => i / 20);
    const share = (v) => v.toFixed(2);
    const tone = (e) => (e ? `${Math.round(100 * Math.abs(e))}\u202f% ${e < 0 ? "dull" : "bright"}` : "as it is");
    const strips = names.map((name, s) => {
      const strip = {
        eq: sides.map((side) => slider(`Tone, ${side}`, tenths, start[s], tone, () => change())),
        fader: sides.map((side, o) => slider(`Fader, ${side}`, loud, faders[s][o], share, () => change()))};
      strip.view = drawing(96, `How much of the ${name.toLowerCase()} reaches either side`, (g, w, h, colour) => {
        const up = (level) => 6 + ((h - 24) * Math.min(40, 6 - level)) / 40;
        sides.forEach((_, o) => {
          const levels = [...power(kernel(s, o), dull.length / 2, new Float64Array(256).fill(1))].map(dB);
          g.setLineDash(o ? [5, 4] : []);
          line(g, levels.map((level, i) => [(w * i) / 128, up(level)]), colour(o ? "orange" : "blue"), 2);
        });
        g.setLineDash([]);
        line(g, [[0, h - 18], [w, h - 18]], colour("soft"), 1);
        words(g, "0", 0, h - 4, colour("ink"));
        words(g, `${sr / 2000}\u202fkHz`.replace("11.025", "11"), w, h - 4, colour("ink"), "right");
        words(g, "left", w / 2 - 24, h - 4, colour("blue"), "center");
        words(g, "right", w / 2 + 24, h - 4, colour("orange"), "center");
      });
      strip.element = make("fieldset", {class: "hand-strip"}, make("legend", {}, name), strip.eq[0].element,
        strip.eq[1].element, strip.fader[0].element, strip.fader[1].element, strip.view.element);
      return strip;
    });
    const mode = choice("The desk is", ["separable", "full"], () => change());
    const play = async () => {
      const context = listen(sr), buffers = await Promise.all(names.map((name) => decode(stems[name], context)));
      hush();
      const volume = new GainNode(context, {gain: 0.7});
      volume.connect(context.destination);
      const from = context.currentTime + 0.05; // all three together
      load = patch(context, buffers.map((buffer) => source(context, buffer, null, from, 0, 0, true)), volume);
      load(kernel);
    };
    const order = () => {
      mode.select.value = "full";
      strips[2].eq.forEach((eq, o) => eq.set(2 * o - 1));
      strips[2].fader.forEach((fader) => fader.set(0.9));
      change();
    };
    const text = says();
    live.append(row(mode.element, button("Play", play), button("Stop", hush),
      button(`${names[2]} dull on the left, bright on the right`, order)),
      row(...strips.map((strip) => strip.element)), text);
    change();
  };

  // Chapter 8: what the layers cost.
  draw.bill = (live, {frames}) => {
    const sizes = [1, 2, 3, 4, 6, 8, 13, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512], plain = (n) => `${n}`;
    const grouped = (n) => `${n}`.replace(/\B(?=(\d{3})+$)/g, "\u202f");
    const k = slider("k, frames of a kernel", range(16).map((i) => i + 1), 4, plain, () => change());
    const C = slider("C, channels in", sizes, 256, plain, () => change());
    const N = slider("N, filters", sizes, 256, plain, () => change());
    const bars = make("div", {class: "hand-bars"}), text = says();
    const change = () => {
      const {weights, work} = bill(k.value, C.value, N.value, frames), most = Math.max(...weights);
      const bar = (n, kind) => make("span", {class: `hand-bar ${kind}`, style: `width: ${(100 * n) / most}%`});
      const counted = (i) => `${grouped(weights[i])} parameters, ${grouped(work[i])} multiply-adds`;
      bars.replaceChildren(
        make("p", {}, `standard, kCN: ${counted(0)}`), make("div", {}, bar(weights[0], "all")),
        make("p", {}, `separable, kC (filtering, orange) + CN (mixing, blue): ${counted(1)}`),
        make("div", {}, bar(k.value * C.value, "filter"), bar(C.value * N.value, "mix")));
      const left = weights[1] / weights[0];
      text.textContent = `1/N + 1/k = ${left.toFixed(3)}: the separable layer ` + (left === 1 ? "costs as much." :
        left < 1 ? `keeps ${(100 * left).toFixed(0)}\u202f% of the parameters and of the multiply-adds.` :
        `costs more, ${left.toFixed(2)} times as much.`);
    };
    live.append(k.element, C.element, N.element, bars, text);
    change();
  };

  // Chapter 11: deal the cards.
  draw.deal = (live, {artists, segments, deals, sound, sr, seconds}) => {
    const tracks = [...artists], cards = range(tracks.length * segments), timers = [];
    const track = cards.map((i) => Math.floor(i / segments)), artist = track.map((t) => tracks[t]);
    const part = {t: "training", v: "validation", x: "test"};
    let seed = 0, turn = 0, deal, clip;
    const protocol = choice("Deal", Object.keys(deals), () => show());
    const text = says(), counter = make("p", {class: "hand-says", role: "status"});
    const squares = cards.map((i) => make("button", {type: "button", class: "hand-card", onclick: () => press(i),
      tabindex: i ? -1 : 0}));
    const dark = () => {
      timers.splice(0).forEach(clearTimeout);
      squares.forEach((square) => square.classList.remove("hand-lit", "hand-sounds"));
    };
    const quiet = () => { turn++; hush(); dark(); };
    const show = () => {
      quiet();
      const list = deals[protocol.select.value];
      deal = list[seed % list.length];
      squares.forEach((square, i) => {
        square.dataset.part = deal[i];
        square.setAttribute("aria-label",
          `${part[deal[i]]}, artist ${artist[i]}, track ${track[i] + 1}, segment ${i % segments + 1}`);
      });
      const asked = [...deal].filter((p) => p === "x").length;
      counter.textContent = `Deal ${seed % list.length + 1}: ${asked} test cards. Without a sibling in training: ` +
        `${alone(deal, track)}. Without any card by their artist in training: ${alone(deal, artist)}.`;
      text.textContent = "";
    };
    const press = async (i) => {
      const mine = ++turn;
      dark();
      squares.forEach((square, j) => { square.tabIndex = j === i ? 0 : -1; });
      const family = deal[i] === "x" ? cards.filter((j) => track[j] === track[i] && deal[j] === "t") : [];
      [i, ...family].forEach((j) => squares[j].classList.add("hand-lit"));
      text.textContent = deal[i] !== "x" ? `A card of ${part[deal[i]]}. Press one of the test part.` :
        family.length ? `A test card. ${family.length} of its siblings were in training: they light up and sound.` :
        "A test card without a sibling in training. It sounds alone.";
      const context = listen(sr);
      clip = await (clip || decode(sound, context));
      if (mine !== turn) return; // another card was pressed meanwhile
      hush();
      [i, ...family].forEach((j, place) => {
        const gain = new GainNode(context, {gain: 0}), from = context.currentTime + 0.05 + place * seconds * 1.1;
        gain.connect(context.destination);
        [[0, 0], [1, 0.02], [1, seconds - 0.03], [0, seconds]].forEach(([value, after]) =>
          gain.gain.linearRampToValueAtTime(value, from + Math.max(0, after)));
        source(context, clip, gain, from, j * seconds, seconds);
        const light = () => squares.forEach((square, n) => square.classList.toggle("hand-sounds", n === j));
        timers.push(setTimeout(light, 1100 * place * seconds));
      });
    };
    const legend = row(...Object.entries(part).map(([letter, name]) =>
      make("span", {class: "hand-key", "data-part": letter}, name)));
    const table = make("div", {class: "hand-cards"});
    const half = tracks.length / 2, rank = (t) =>
      make("div", {class: t % half && tracks[t] !== tracks[t - 1] ? "hand-next" : ""},
        ...squares.slice(t * segments, (t + 1) * segments));
    [0, half].forEach((first) => table.append(make("div", {}, ...range(half).map((t) => rank(first + t)))));
    const steps = {ArrowLeft: -1, ArrowRight: 1, ArrowUp: -segments, ArrowDown: segments};
    table.addEventListener("keydown", (event) => {
      const to = squares.indexOf(document.activeElement) + steps[event.key];
      if (!(to >= 0 && to < squares.length)) return;
      event.preventDefault();
      squares.forEach((square, j) => { square.tabIndex = j === to ? 0 : -1; });
      squares[to].focus();
    });
    live.append(row(protocol.element, button("Deal again", () => { seed++; show(); }), button("Stop", quiet)),
      counter, table, legend, text);
    show();
  };

  const TITLES = {swing: "Swing along with the sound", look: "Choose a window and a hop", deal: "Deal the cards",
    keep: "Keep some of the coefficients", desk: "The mixing desk", bill: "The bill of a layer"};

  function start() {
    document.querySelectorAll("div.hand").forEach((box) => {
      const name = box.dataset.figure, title = TITLES[name];
      if (!title || box.querySelector(".hand-live")) return;
      const live = make("div", {class: "hand-live", role: "group", "aria-label": title});
      live.append(make("p", {class: "hand-title"}, title));
      box.append(live);
      draw[name](live, JSON.parse(box.querySelector("script").textContent));
      box.classList.add("hand-on");
    });
  }
  addEventListener("DOMContentLoaded", start);

  return {ask, spectrum, lamps, dct, rebuilt, bill, alone, equaliser, patch, start};
})();
