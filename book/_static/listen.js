// The panel of chapter 14: the network that the package brings hears the reader's own file, in the page. Nothing is sent
// anywhere. What `audiolib.listen` and `audiolib.features` do in Python is done here a second time; a test holds both to
// the same numbers. The network comes as data (genres.js, made from audiolib/genres.npz when the pages are).

// An ear for a network: frontend and layers as `listen.forward` has them. Workers take its source, so it uses nothing
// outside itself but fft(). Arrays are flat, [frame][band][channel]; all of them are made once and used for each segment.
function ear(net) {
  const { sample_rate: rate, n_fft: size, hop_length: hop, n_mels: bands, fmin, fmax, top_db } = net.frontend;
  const even = (x) => Math.round(x) - (Math.abs(x % 1) === 0.5 ? Math.round(x) % 2 : 0); // halves as Python rounds them
  const length = even(net.frontend.segment_seconds * rate);
  const starts = Array.from({ length: Math.ceil((length + 1) / hop) }, (_, i) => even(i * hop)).filter((s) => s <= length);
  const frames = starts.length, half = size / 2;
  const window = Float64Array.from({ length: size }, (_, i) => 0.5 - 0.5 * Math.cos((2 * Math.PI * i) / size));
  const re = new Float64Array(size), im = new Float64Array(size), a = new Float64Array(half + 1), b = new Float64Array(half + 1);
  const filters = mel(), db = new Float32Array(frames * bands);

  // Slaney's mel filters: for each band its first bin and the weights from there on.
  function mel() {
    const toMel = (hz) => (hz < 1000 ? (hz * 3) / 200 : 15 + (Math.log(hz / 1000) * 27) / Math.log(6.4));
    const toHz = (m) => (m < 15 ? (m * 200) / 3 : 1000 * Math.exp(((m - 15) * Math.log(6.4)) / 27));
    const low = toMel(fmin), step = (toMel(fmax ?? rate / 2) - low) / (bands + 1);
    return Array.from({ length: bands }, (_, band) => {
      const [left, top, right] = [0, 1, 2].map((i) => toHz(low + (band + i) * step)), weights = [];
      const first = Math.max(0, Math.ceil((left * size) / rate));
      for (let bin = first; bin <= half && (bin * rate) / size < right; bin++) {
        const hz = (bin * rate) / size;
        weights.push((Math.min((hz - left) / (top - left), (right - hz) / (right - top)) * 2) / (right - left));
      }
      return { first, weights: Float64Array.from(weights) };
    });
  }

  function windowed(y, frame, out) {
    out.fill(0);
    if (frame >= frames) return;
    const first = starts[frame] - half, end = Math.min(size, y.length - first);
    for (let i = Math.max(0, -first); i < end; i++) out[i] = y[first + i] * window[i];
  }

  // Levels in dB [frame][band]; one transform of complex numbers does two frames of real ones.
  function levels(y) {
    for (let frame = 0; frame < frames; frame += 2) {
      windowed(y, frame, re);
      windowed(y, frame + 1, im);
      fft(re, im);
      for (let k = 0; k <= half; k++) {
        const m = (size - k) % size, r = re[k] + re[m], i = im[k] - im[m], s = im[k] + im[m], t = re[m] - re[k];
        a[k] = (r * r + i * i) / 4;
        b[k] = (s * s + t * t) / 4;
      }
      into(a, frame);
      if (frame + 1 < frames) into(b, frame + 1);
    }
    if (top_db !== null) raise(db, top_db);
    return db;
  }

  function into(power, frame) {
    for (let band = 0; band < bands; band++) {
      const { first, weights } = filters[band];
      let sum = 0;
      for (let i = 0; i < weights.length; i++) sum += weights[i] * power[first + i];
      db[frame * bands + band] = 10 * Math.log10(Math.max(sum, 1e-10));
    }
  }

  function raise(x, range) {
    let most = -Infinity;
    for (let i = 0; i < x.length; i++) most = Math.max(most, x[i]);
    for (let i = 0; i < x.length; i++) x[i] = Math.max(x[i], most - range);
  }

  // --- the layers, each an entry of `todo` that reads the array before it and writes one of its own ---
  const halves = new Uint16Array(Uint8Array.from(atob(net.weights), (c) => c.charCodeAt(0)).buffer), todo = [];
  let used = 0, shape = 0;
  const float = (h) => { // of 16 bits
    const power = (h >> 10) & 31, rest = h & 1023;
    return (h & 32768 ? -1 : 1) * (power ? 2 ** (power - 15) * (1 + rest / 1024) : (2 ** -14 * rest) / 1024);
  };
  const next = () => {
    const count = net.shapes[shape++].reduce((product, n) => product * n, 1);
    return Float64Array.from(halves.subarray(used, (used += count)), float);
  };
  const image = net.steps.some(([kind]) => kind === "Square");
  let h = frames, w = image ? bands : 1, c = image ? 1 : bands, x = new Float64Array(frames * bands);
  const input = x;

  function pad(top, left, height, width, value) {
    if (height === h && width === w) return;
    const to = new Float64Array(height * width * c).fill(value);
    const rows = Array.from({ length: h }, (_, i) => [x.subarray(i * w * c, (i + 1) * w * c), ((i + top) * width + left) * c]);
    todo.push(() => { for (const [row, at] of rows) to.set(row, at); });
    [x, h, w] = [to, height, width];
  }

  // Eight output channels at a time stay in registers; what they read lies side by side in memory.
  function convolution(high, wide, kernel, bias, least = 0) {
    const from = x, step = c, row = w * c, run = wide * c, out = bias.length, taps = high * run, H = h - high + 1, W = w - wide + 1;
    const packed = new Float64Array(Math.ceil(out / 8) * taps * 8), eight = new Float64Array(8);
    for (let o = 0; o < out; o++)
      for (let t = 0; t < taps; t++) packed[((o >> 3) * taps + t) * 8 + (o & 7)] = kernel[t * out + o];
    const to = new Float64Array(H * W * out);
    todo.push(() => {
      for (let i = 0; i < H; i++) {
        for (let o = 0; o < out; o += 8) {
          for (let j = 0; j < W; j++) {
            let a0 = 0, a1 = 0, a2 = 0, a3 = 0, a4 = 0, a5 = 0, a6 = 0, a7 = 0, q = o * taps;
            for (let k = 0; k < high; k++) {
              const begin = (i + k) * row + j * step, end = begin + run;
              for (let p = begin; p < end; p++, q += 8) {
                const v = from[p];
                a0 += v * packed[q]; a1 += v * packed[q + 1]; a2 += v * packed[q + 2]; a3 += v * packed[q + 3];
                a4 += v * packed[q + 4]; a5 += v * packed[q + 5]; a6 += v * packed[q + 6]; a7 += v * packed[q + 7];
              }
            }
            eight[0] = a0; eight[1] = a1; eight[2] = a2; eight[3] = a3; eight[4] = a4; eight[5] = a5; eight[6] = a6; eight[7] = a7;
            const at = (i * W + j) * out + o, many = Math.min(8, out - o);
            for (let n = 0; n < many; n++) to[at + n] = Math.max(least, eight[n] + bias[o + n]);
          }
        }
      }
    });
    [x, h, w, c] = [to, H, W, out];
  }

  function depthwise(high, wide, kernel) {
    const from = x, channels = c, row = w * c, H = h - high + 1, W = w - wide + 1, to = new Float64Array(H * W * c);
    todo.push(() => {
      to.fill(0);
      for (let i = 0; i < H; i++)
        for (let j = 0; j < W; j++)
          for (let k = 0, q = 0; k < high; k++)
            for (let l = 0; l < wide; l++, q += channels) {
              const at = (i * W + j) * channels, p = (i + k) * row + (j + l) * channels;
              for (let n = 0; n < channels; n++) to[at + n] += from[p + n] * kernel[q + n];
            }
    });
    [x, h, w] = [to, H, W];
  }

  function pool(high, wide) {
    const from = x, channels = c, row = w * c, H = Math.floor(h / high), W = Math.floor(w / wide), to = new Float64Array(H * W * c);
    todo.push(() => {
      to.fill(-Infinity);
      for (let i = 0; i < H * high; i++)
        for (let j = 0; j < W * wide; j++) {
          const at = (Math.floor(i / high) * W + Math.floor(j / wide)) * channels, p = i * row + j * channels;
          for (let n = 0; n < channels; n++) if (from[p + n] > to[at + n]) to[at + n] = from[p + n];
        }
    });
    [x, h, w] = [to, H, W];
  }

  function norm(gamma, beta, mean, variance) {
    const scale = gamma.map((g, n) => g / Math.sqrt(variance[n] + 1e-3)), shift = beta.map((b, n) => b - mean[n] * scale[n]);
    const here = x, channels = c;
    todo.push(() => {
      for (let at = 0; at < here.length; at += channels)
        for (let n = 0; n < channels; n++) here[at + n] = here[at + n] * scale[n] + shift[n];
    });
  }

  // Mean over all places of each channel, and with `all` the maximum and the norm behind it.
  function statistics(all) {
    const from = x, channels = c, places = h * w, to = new Float64Array(all ? 3 * c : c);
    todo.push(() => {
      for (let n = 0; n < channels; n++) {
        let sum = 0, most = -Infinity, squares = 0;
        for (let at = n; at < from.length; at += channels) {
          sum += from[at]; most = Math.max(most, from[at]); squares += from[at] * from[at];
        }
        to[n] = sum / places;
        if (all) { to[channels + n] = most; to[2 * channels + n] = Math.sqrt(Math.max(squares, 1e-12)); }
      }
    });
    [x, h, w, c] = [to, 1, 1, to.length];
  }

  for (const [kind, ...given] of net.steps) {
    const [size, width] = given, square = kind === "Square", wide = square ? width : 1;
    if (square) {
      const before = (width - 1) >> 1, same = given[2] ? width - 1 : 0;
      pad(given[2] ? before : 0, before, h + same, w + width - 1, 0);
    }
    if (kind === "Separable" || (square && given[3])) {
      depthwise(width, wide, next());
      convolution(1, 1, next(), next());
    } else if (kind === "Conv" || square) convolution(width, wide, next(), next());
    else if (kind === "Norm") norm(next(), next(), next(), next());
    else if (kind === "Pool") {
      const across = image ? Math.min(width, w) : 1, up = (n, by) => Math.ceil(n / by) * by;
      if (given[2]) pad((up(h, size) - h) >> 1, (up(w, across) - w) >> 1, up(h, size), up(w, across), -Infinity);
      pool(size, across);
    } else if (kind === "Flatten") [h, w, c] = [1, 1, h * w * c];
    else if (kind === "Mean" || kind === "Statistics") statistics(kind === "Statistics");
    else if (kind === "Dense") convolution(1, 1, next(), next());
    else if (kind !== "Dropout") throw new Error(`no layer is called ${kind}`);
  }
  convolution(1, 1, next(), next(), -Infinity);

  // Calibrated probabilities [class] of levels [frame][band].
  function probabilities(db) {
    input.set(db);
    if (net.normalization === "segment") {
      raise(input, 60);
      const mean = input.reduce((sum, v) => sum + v, 0) / input.length;
      for (let i = 0; i < input.length; i++) input[i] = (input[i] - mean) / 15;
    } else if (net.normalization !== "none") {
      const [mean, deviation] = net.normalization;
      for (let i = 0; i < input.length; i++) input[i] = (input[i] - mean[i % bands]) / deviation[i % bands];
    }
    for (const layer of todo) layer();
    const most = Math.max(...x), e = Array.from(x, (z) => Math.exp((z - most) / net.temperature)), sum = e.reduce((s, v) => s + v);
    return e.map((v) => v / sum);
  }

  return { length, frames, filters, levels, probabilities };
}

// === the panel ========================================================================================================

// What lies in a WAV of plain numbers, as { rate, total, take(first, count) } with take() giving float32 [sample], the
// mean of the channels; null if it is something else; an error with a clear word if it is damaged.
function wav(bytes) {
  const view = new DataView(bytes), size = view.byteLength;
  const name = (at) => String.fromCharCode(...new Uint8Array(bytes, at, Math.min(4, size - at)));
  if (size < 12 || name(0) !== "RIFF" || name(8) !== "WAVE") return null;
  let format, channels, rate, bits, at = 12;
  for (; at + 8 <= size && name(at) !== "data"; at += 8 + view.getUint32(at + 4, true) + (view.getUint32(at + 4, true) % 2)) {
    if (name(at) !== "fmt " || at + 24 > size) continue;
    [format, channels, rate, bits] = [view.getUint16(at + 8, true), view.getUint16(at + 10, true), view.getUint32(at + 12, true), view.getUint16(at + 22, true)];
    if (format === 0xfffe && at + 34 <= size) format = view.getUint16(at + 32, true);
  }
  if (!format || at + 8 > size) throw new Error("cannot be decoded, it is damaged: its header ends before any sound");
  const read = { "1 8": (p) => (view.getUint8(p) - 128) / 128, "1 16": (p) => view.getInt16(p, true) / 32768,
    "1 24": (p) => (view.getUint16(p, true) + 65536 * view.getInt8(p + 2)) / 8388608, "1 32": (p) => view.getInt32(p, true) / 2147483648,
    "3 32": (p) => view.getFloat32(p, true), "3 64": (p) => view.getFloat64(p, true) }[`${format} ${bits}`];
  if (!(rate >= 1000 && rate <= 768000 && channels >= 1 && channels <= 64)) throw new Error(`damaged, its header claims a rate of ${rate} Hz and ${channels} channels`);
  if (!read) return null;
  const start = at + 8, there = size - start, frame = (channels * bits) / 8;
  let promised = view.getUint32(at + 4, true);
  if (promised > size && promised < 2 ** 31 - 2 ** 16) throw new Error(`truncated, ${there} of ${promised} bytes of samples are there`);
  const behind = start + promised + (promised % 2); // who could not know the size wrote none, or a huge one
  const chunk = /^[ -~]{4}$|^ID3|^TAG/.test(behind + 8 <= size ? name(behind) : "none");
  if (promised > there || (there > promised + 4096 && !chunk)) promised = there;
  const total = Math.floor(promised / frame);
  if (!total) throw new Error("no samples in it (0 s long)");
  const take = (first, count) => {
    const y = new Float32Array(count);
    for (let i = 0, at = start + first * frame; i < count; i++, at += frame) {
      let sum = 0;
      for (let n = 0; n < frame; n += bits / 8) sum += read(at + n);
      y[i] = sum / channels;
    }
    return y;
  };
  return { rate, total, take };
}

// Any sound that the browser can decode, at the network's rate, like wav(); or an error that says why not.
async function decode(file, address, rate) {
  if (!file.size) throw new Error("empty file (0 bytes)");
  if (file.size > 2 ** 30) throw new Error(`larger than a page can hold; ${COMMAND}`);
  const bytes = await file.arrayBuffer().catch(() => { throw new Error("cannot be read; is it a folder, or has it been moved?"); });
  const head = new Uint8Array(bytes.slice(0, 64)), sound = wav(bytes);
  const seconds = sound ? sound.total / sound.rate : await duration(address);
  if (seconds > HOUR) throw new Error(`${clock(seconds)} long, longer than an hour; ${COMMAND}`);
  if (sound && sound.rate === rate) return sound;
  const text = String.fromCharCode(...head), plain = /^[\t\n\r -~]*$/.test(text) ? "text, " : "damaged, or ";
  const kind = (KINDS.find(([magic]) => text.trimStart().startsWith(magic)) ?? ["", plain])[1];
  const buffer = await new OfflineAudioContext(1, 1, rate).decodeAudioData(bytes) // which resamples as well
    .catch(() => { throw new Error(`cannot be decoded, it is ${kind}not audio that this browser knows`); });
  if (buffer.duration > HOUR) throw new Error(`${clock(buffer.duration)} long, longer than an hour; ${COMMAND}`);
  const channels = Array.from({ length: buffer.numberOfChannels }, (_, n) => buffer.getChannelData(n));
  const take = (first, count) => {
    const y = channels[0].slice(first, first + count);
    for (let n = 1; n < channels.length; n++) for (let i = 0; i < count; i++) y[i] += channels[n][first + i];
    return channels.length > 1 ? y.map((v) => v / channels.length) : y;
  };
  return { rate, total: buffer.length, take };
}

const HOUR = 3600, COMMAND = "on a command line, python -m audiolib listen hears it";
const KINDS = [["%PDF", "a PDF, "], ["PK\x03\x04", "a zip archive, "], ["\x1f\x8b", "a gzip archive, "], ["\x89PNG", "a picture, "],
  ["\xff\xd8\xff", "a picture, "], ["GIF8", "a picture, "], ["MThd", "MIDI, notes without sound, "], ["<", "a web page, "]];

// Seconds that a file says it lasts, before it is decoded; NaN if it does not say.
function duration(address) {
  return new Promise((done) => {
    const audio = new Audio();
    audio.onloadedmetadata = () => done(Number.isFinite(audio.duration) ? audio.duration : NaN);
    audio.onerror = () => done(NaN);
    setTimeout(() => done(NaN), 5000);
    audio.src = address;
  });
}

function clock(seconds) {
  const two = (n) => String(Math.floor(n)).padStart(2, "0");
  return (seconds < HOUR ? "" : `${Math.floor(seconds / HOUR)}:`) + (seconds < HOUR ? Math.floor(seconds / 60) : two((seconds % HOUR) / 60)) + `:${two(seconds % 60)}`;
}

// What `Heard.to_dict` gives.
function heard(path, seconds, net, segments) {
  const round = (x, digits) => Number(x.toFixed(digits)), best = (p) => p.indexOf(Math.max(...p));
  const named = (p) => Object.fromEntries(net.labels.map((label, i) => [label, round(p[i], 5)]));
  const mean = net.labels.map((_, i) => segments.reduce((sum, { p }) => sum + p[i], 0) / segments.length);
  const agreeing = segments.filter(({ p }) => best(p) === best(mean)).length;
  return {
    path, seconds: round(seconds, 2), genre: net.labels[best(mean)], sure: Math.max(...mean) >= net.threshold,
    agreement: round(agreeing / segments.length, 3), probabilities: named(mean),
    segments: segments.map(({ start, p }) => ({ start: round(start, 2), probabilities: named(p) })),
  };
}

const COLORS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f", "#ff9da7", "#8c96a3"];
const HEAT = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]]; // from dark to bright
const PANEL = `
  <div class="listen-ask">
    <label for="listen-file">A sound of yours</label> <input type="file" id="listen-file" accept="audio/*,video/*">
    <button type="button" class="listen-record">Record ten seconds</button>
    <span>or drop a file here. Nothing leaves this page.</span>
  </div>
  <progress hidden aria-label="Progress"></progress>
  <p class="listen-said" role="status"></p>
  <div class="listen-heard" hidden>
    <ol class="listen-best"></ol>
    <p class="listen-trust"></p>
    <div class="listen-play"><button type="button">Play</button> <span></span></div>
    <div class="listen-time" role="slider" tabindex="0" aria-label="Place in the sound" aria-valuemin="0">
      <canvas width="1000" height="90"></canvas><canvas width="1000" height="128"></canvas><canvas width="1000" height="120"></canvas><i></i>
    </div>
    <ul class="listen-legend"></ul>
    <details open><summary>The same as <code>--json</code> gives it</summary></details>
  </div>
  <pre id="listen-result" tabindex="0" aria-label="Result as JSON"></pre>`;

function panel(figure, folder) {
  const root = document.createElement("div"), find = (selector) => root.querySelector(selector);
  root.className = "listen";
  root.innerHTML = PANEL;
  figure.prepend(root);
  const said = find(".listen-said"), progress = find("progress"), result = find("#listen-result"), shown = find(".listen-heard");
  const [play, place] = find(".listen-play").children, slider = find(".listen-time"), head = find(".listen-time i");
  const [wave, picture, shares] = slider.querySelectorAll("canvas"), record = find(".listen-record"), audio = new Audio();
  let turn = 0, net, workers, seconds = 0, edges = [], spoken = [], recorder;

  // The network and two workers, when they are first used.
  async function ready() {
    if (workers) return;
    await new Promise((done, failed) => {
      const script = document.createElement("script");
      Object.assign(script, { src: new URL("genres.js", folder), onload: done, onerror: () => failed(new Error("the network, genres.js, is not beside the pages")) });
      document.head.append(script);
    });
    net = window.GENRES;
    const source = `${fft}\n${ear}\n(${work})()`, address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
    workers = Array.from({ length: Math.min(2, navigator.hardwareConcurrency || 1) }, () => new Worker(address));
    for (const worker of workers) worker.postMessage({ net });
    find(".listen-legend").replaceChildren(...net.labels.map((label, i) => entry("li", label, i)));
  }

  function entry(tag, text, i) {
    const item = document.createElement(tag), swatch = document.createElement("i");
    swatch.style.background = COLORS[i % COLORS.length];
    item.append(swatch, text);
    return item;
  }

  async function hear(file) {
    const mine = ++turn, path = file.name, late = () => mine !== turn;
    const address = URL.createObjectURL(file);
    URL.revokeObjectURL(audio.src);
    audio.src = address;
    result.textContent = "";
    shown.hidden = true;
    progress.hidden = false;
    progress.removeAttribute("value");
    said.textContent = `${path}: reading`;
    try {
      await ready();
      const { sample_rate: rate, segment_seconds } = net.frontend, length = Math.round(segment_seconds * rate);
      const sound = await decode(file, address, rate);
      if (late()) return;
      seconds = sound.total / rate;
      const starts = [];
      for (let at = 0; at + length <= sound.total; at += length >> 1) starts.push(at);
      if (!starts.length) throw new Error(`${+seconds.toPrecision(3)} s long, but this network hears ${+segment_seconds.toPrecision(3)} s at a time; too short`);
      if (sound.total - starts.at(-1) - length > rate >> 1) starts.push(sound.total - length);
      edges = [0, ...starts.slice(1).map((at, i) => (at + starts[i] + length) / 2 / rate), seconds];
      for (const canvas of [wave, picture, shares]) canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
      shown.hidden = false;
      spoken = await all(sound, starts, length, late, (count) => {
        progress.value = count / starts.length;
        if (count % 10 === 1) said.textContent = `${path}: heard ${count} of ${starts.length} segments`;
      });
      if (late()) return;
      const segments = spoken.map((p, i) => ({ start: starts[i] / rate, p })).filter(({ p }) => p);
      if (!segments.length) throw new Error("silent, there is nothing to hear");
      tell(heard(path, seconds, net, segments));
    } catch (error) {
      if (late()) return;
      shown.hidden = true;
      said.textContent = `${path}: ${error.message}.`;
      result.textContent = JSON.stringify({ path, error: error.message });
    }
    progress.hidden = true;
  }

  // Gives each worker two segments at a time, draws what comes back; the probabilities of each segment, null of a silent one.
  function all(sound, starts, length, late, told) {
    return new Promise((done, failed) => {
      const answers = new Array(starts.length).fill(null), mine = turn;
      let next = 0, count = 0;
      const give = (worker) => {
        if (late() || next === starts.length) return;
        const y = sound.take(starts[next], length);
        draw(next, starts[next] / sound.rate, y, sound.rate);
        worker.postMessage({ mine, index: next++, y }, [y.buffer]);
      };
      for (const worker of workers) {
        worker.onerror = (event) => failed(new Error(`the network failed (${event.message})`));
        worker.onmessage = ({ data: { mine: whose, index, levels, p, bad } }) => {
          if (whose !== mine || late()) return;
          if (bad >= 0) return failed(new Error(`samples are NaN or infinite, the first at ${+((starts[index] + bad) / sound.rate).toPrecision(3)} s`));
          if (p) paint(index, starts[index] / sound.rate, levels, (answers[index] = p));
          told(++count);
          if (count === starts.length) done(answers);
          give(worker);
        };
        give(worker);
        give(worker);
      }
    });
  }

  const across = (time) => (time / seconds) * 1000;

  function draw(index, start, y, rate) {
    const context = wave.getContext("2d"), [from, to] = [edges[index], edges[index + 1]].map(across);
    context.fillStyle = "#3f8fb5";
    for (let column = Math.floor(from); column < to; column++) {
      const first = Math.max(0, Math.round(((column * seconds) / 1000 - start) * rate)), last = Math.min(y.length, first + Math.ceil((seconds / 1000) * rate));
      let low = 0, high = 0;
      for (let i = first; i < last; i++) { low = Math.min(low, y[i]); high = Math.max(high, y[i]); }
      context.fillRect(column, 45 - 45 * Math.min(1, high), 1, Math.max(1, 45 * (Math.min(1, high) - Math.max(-1, low))));
    }
  }

  function paint(index, start, levels, p) {
    const bands = net.frontend.n_mels, hop = net.frontend.hop_length / net.frontend.sample_rate, [from, to] = [edges[index], edges[index + 1]];
    const first = Math.max(0, Math.round((from - start) / hop)), width = Math.min(levels.length / bands - first, Math.max(1, Math.round((to - from) / hop)));
    const image = new ImageData(width, bands);
    for (let j = 0; j < width; j++)
      for (let band = 0; band < bands; band++) {
        const heat = Math.max(0, Math.min(4.999, (levels[(first + j) * bands + band] + 30) / 14)), k = Math.floor(heat), at = ((bands - 1 - band) * width + j) * 4;
        for (let n = 0; n < 3; n++) image.data[at + n] = HEAT[k][n] + (heat - k) * (HEAT[k + 1][n] - HEAT[k][n]);
        image.data[at + 3] = 255;
      }
    const small = new OffscreenCanvas(width, bands), left = Math.floor(across(from)), wide = Math.ceil(across(to)) - left;
    small.getContext("2d").putImageData(image, 0, 0);
    picture.getContext("2d").drawImage(small, left, 0, wide, 128);
    const context = shares.getContext("2d");
    let y = 120;
    p.forEach((share, i) => {
      context.fillStyle = COLORS[i % COLORS.length];
      context.fillRect(left, (y -= 120 * share), wide, 120 * share);
    });
  }

  function tell(found) {
    const order = [...net.labels.keys()].sort((i, j) => found.probabilities[net.labels[j]] - found.probabilities[net.labels[i]]).slice(0, 3);
    const percent = (i) => `${Math.round(100 * found.probabilities[net.labels[i]])}\u202f%`;
    find(".listen-best").replaceChildren(...order.map((i) => {
      const item = entry("li", `${net.labels[i]} ${percent(i)}`, i);
      item.style.setProperty("--share", found.probabilities[net.labels[i]]);
      return item;
    }));
    const best = found.probabilities[found.genre], rows = net.test["by confidence"] ?? [[0, net.test.n, net.test.n * net.test.value]];
    const k = rows.findIndex(([least]) => best >= least), row = rows.at(k), between = [row[0], k > 0 ? rows[k - 1][0] : 1].map((p) => Math.round(100 * p));
    const trust = `Where it was about this sure (${between[0]} to ${between[1]}\u202f%), it was right on ${Math.round((100 * row[2]) / row[1])} of 100 test tracks, which were music like that of its training.`;
    said.textContent = `${found.path}, ${clock(found.seconds)} long: ${found.sure ? "" : "not sure, perhaps "}${found.genre}, ${percent(order[0])}; then ` +
      `${net.labels[order[1]]} ${percent(order[1])} and ${net.labels[order[2]]} ${percent(order[2])}. Of its segments ${Math.round(100 * found.agreement)}\u202f% say the same by themselves.`;
    find(".listen-trust").textContent = trust;
    result.textContent = JSON.stringify(found);
    slider.setAttribute("aria-valuemax", found.seconds);
    move();
  }

  // --- playing ---
  function move() {
    const time = Math.min(audio.currentTime, seconds), index = edges.findIndex((edge, i) => time < edges[i + 1]), p = spoken[index];
    const now = p ? `${net.labels[p.indexOf(Math.max(...p))]} ${Math.round(100 * Math.max(...p))}\u202f%` : "silent";
    head.style.left = `${(100 * time) / seconds}%`;
    place.textContent = `${clock(time)} of ${clock(seconds)}: ${now}`;
    slider.setAttribute("aria-valuenow", time.toFixed(1));
    slider.setAttribute("aria-valuetext", place.textContent);
    if (!audio.paused) requestAnimationFrame(move);
  }
  const seek = (time) => { audio.currentTime = Math.max(0, Math.min(seconds, time)); };
  audio.onplay = () => { play.textContent = "Pause"; move(); };
  audio.onpause = () => { play.textContent = "Play"; };
  audio.onseeked = move;
  play.onclick = () => (audio.paused ? audio.play().catch(() => { place.textContent = "this browser cannot play it"; }) : audio.pause());
  slider.onpointerdown = (event) => {
    const box = slider.getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * seconds);
  };
  slider.onkeydown = (event) => {
    const by = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30, Home: -Infinity, End: Infinity }[event.key];
    if (event.key === " ") play.click();
    else if (by) seek(audio.currentTime + by);
    else return;
    event.preventDefault();
  };

  // --- asking for a sound ---
  find("#listen-file").onchange = ({ target }) => target.files.length && hear(target.files[0]);
  root.ondragover = (event) => event.preventDefault();
  root.ondrop = (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) hear(event.dataTransfer.files[0]);
  };
  const can = navigator.mediaDevices?.getUserMedia && window.MediaRecorder;
  if (!can) Object.assign(record, { disabled: true, textContent: "No recording: this browser allows it on served pages only" });
  record.onclick = async () => {
    if (recorder) return recorder.stop();
    audio.pause();
    turn++;
    try {
      const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
      const parts = [];
      let left = 10;
      recorder = new MediaRecorder(stream);
      recorder.ondataavailable = ({ data }) => parts.push(data);
      const count = () => (left ? (record.textContent = `Stop (${left--} s left)`) : recorder.stop()), timer = setInterval(count, 1000);
      recorder.onstop = () => {
        clearInterval(timer);
        for (const track of stream.getTracks()) track.stop();
        [recorder, record.textContent] = [null, "Record ten seconds"];
        hear(new File(parts, "recording", { type: parts[0].type }));
      };
      recorder.start();
      count();
    } catch (error) {
      said.textContent = `No recording: ${error.message}.`;
    }
  };
}

// What a worker does: the network first, then segments, one after the other.
function work() {
  let hears;
  self.onmessage = ({ data: { net, mine, index, y } }) => {
    if (net) return void (hears = ear(net));
    const bad = y.findIndex((v) => !Number.isFinite(v)), [low, high] = y.reduce(([l, h], v) => [Math.min(l, v), Math.max(h, v)], [Infinity, -Infinity]);
    if (bad >= 0 || high - low < 1e-6) return self.postMessage({ mine, index, bad });
    const levels = hears.levels(y).slice();
    self.postMessage({ mine, index, levels, p: hears.probabilities(levels) }, [levels.buffer]);
  };
}

if (typeof document !== "undefined") {
  const folder = document.currentScript.src;
  document.addEventListener("DOMContentLoaded", () => {
    const figure = document.getElementById("fig-listen-panel");
    if (figure) panel(figure, folder);
  });
}
