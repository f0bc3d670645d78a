// The panel of chapter 14: the network that the package brings hears the reader's own file, in the page. Nothing is sent
// anywhere. What `audiolib.listen` and `audiolib.features` do in Python is done here a second time; a test holds both to
// the same numbers. The network comes as data (genres.js, made from audiolib/genres.npz when the pages are).

// An ear for a network: frontend and layers as `listen.forward` has them. Workers take its source, so it uses nothing
// outside itself but fft(). Arrays are flat, [frame][band][channel]; all of them are made once and used for each segment.
function ear(net) {
  const { sample_rate: rate, n_fft: size, hop_length: hop, n_mels: bands, fmin, fmax, top_db } = net.frontend;
  const even = (x) => Math.round(x) - (Math.abs(x % 1) === 0.5 ? Math.round(x) % 2 : 0); // halves as Python rounds them
  const length = net.samples;
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

  // What is heard in a segment of samples: levels and probabilities; of silence nothing; `bad`, where a sample is no number.
  function hear(y) {
    let low = Infinity, high = -Infinity;
    for (let i = 0; i < y.length; i++) {
      if (!Number.isFinite(y[i])) return { bad: i };
      low = Math.min(low, y[i]);
      high = Math.max(high, y[i]);
    }
    return high - low < 1e-6 ? {} : { levels: levels(y).slice(), p: probabilities(db) };
  }
  return { filters, levels, probabilities, hear };
}

// What a worker does: it takes the network first, then segments, one after the other.
function work() {
  let mine;
  self.onmessage = ({ data: { net, turn, index, y } }) => {
    if (net) mine = ear(net);
    else self.postMessage({ turn, index, ...mine.hear(y) });
  };
}

// --- from a file to samples -------------------------------------------------------------------------------------------

const HOUR = 3600, ELSEWHERE = "on a command line, python -m audiolib listen hears it";
const KINDS = Object.entries({ "%PDF": "a PDF,", "PK\x03\x04": "a zip archive,", "\x1f\x8b": "a gzip archive,", "\x89PNG": "a picture,",
  "\xff\xd8\xff": "a picture,", GIF8: "a picture,", MThd: "MIDI, notes without sound,", "<": "a web page," });

function clock(seconds) {
  const [hours, minutes, rest] = [seconds / HOUR, (seconds % HOUR) / 60, seconds % 60].map(Math.floor);
  return `${hours ? `${hours}:${String(minutes).padStart(2, "0")}` : minutes}:${String(rest).padStart(2, "0")}`;
}

// The sound in a WAV of plain numbers, as { rate, total, take(first, count) }, where take() gives float32 [sample], the
// mean of the channels. Null for any other file; an error for one that is damaged, in the words that Python has for it.
function wav(bytes) {
  const view = new DataView(bytes), size = view.byteLength;
  const name = (at) => String.fromCharCode(...new Uint8Array(bytes.slice(at, at + 4)));
  if (name(0) !== "RIFF" || name(8) !== "WAVE") return null;
  let at = 12, form = 0, chunk;
  for (; at + 8 <= size && name(at) !== "data"; at += 8 + chunk + (chunk % 2)) {
    chunk = view.getUint32(at + 4, true);
    if (name(at) === "fmt " && chunk >= 16 && at + 8 + chunk <= size) form = at + 8;
  }
  if (!form || at + 8 > size) throw new Error("cannot be decoded, it is damaged: its header ends before any sound");
  const [format, channels, bits] = [0, 2, 14].map((place) => view.getUint16(form + place, true)), rate = view.getUint32(form + 4, true);
  if (!(rate >= 1000 && rate <= 768000 && channels >= 1 && channels <= 64))
    throw new Error(`damaged, its header claims a rate of ${rate} Hz and ${channels} channels`);
  const read = { // by the kind of numbers and their bits
    "1 8": (p) => (view.getUint8(p) - 128) / 128, "1 16": (p) => view.getInt16(p, true) / 2 ** 15,
    "1 24": (p) => (view.getUint16(p, true) + 2 ** 16 * view.getInt8(p + 2)) / 2 ** 23, "1 32": (p) => view.getInt32(p, true) / 2 ** 31,
    "3 32": (p) => view.getFloat32(p, true), "3 64": (p) => view.getFloat64(p, true),
  }[`${format === 0xfffe ? view.getUint16(form + 24, true) : format} ${bits}`];
  if (!read) return null;

  const start = at + 8, there = size - start, frame = (channels * bits) / 8, promised = view.getUint32(at + 4, true);
  const unknown = promised >= 2 ** 31 - 2 ** 16, behind = start + promised + (promised % 2);
  if (promised > size && !unknown) throw new Error(`truncated, ${there} of ${promised} bytes of samples are there`);
  const more = there > promised + 4096 && !/^([ -~]{4}|(ID3|TAG).?)$/.test(name(behind)); // sound that was not counted
  if (promised > there || more) view.setUint32(at + 4, there, true); // for decodeAudioData
  const total = Math.floor(view.getUint32(at + 4, true) / frame);
  if (!total) throw new Error("no samples in it (0 s long)");
  const take = (first, count) => {
    const y = new Float32Array(count);
    for (let i = 0, p = start + first * frame; i < count; i++, p += frame) {
      let sum = 0;
      for (let n = 0; n < frame; n += bits / 8) sum += read(p + n);
      y[i] = sum / channels;
    }
    return y;
  };
  return { rate, total, take };
}

// The seconds that a file says it lasts, before it is decoded; NaN if it does not say.
function promisedSeconds(address) {
  return new Promise((done) => {
    const audio = new Audio();
    audio.onloadedmetadata = () => done(audio.duration);
    audio.onerror = () => done(NaN);
    setTimeout(() => done(NaN), 5000);
    audio.src = address;
  });
}

// Any sound that the browser can decode, at the network's rate, like wav(); or an error that says why not.
async function decode(file, address, rate) {
  const brief = (seconds) => {
    if (seconds > HOUR && seconds < Infinity) throw new Error(`${clock(seconds)} long, longer than an hour; ${ELSEWHERE}`);
  };
  if (!file.size) throw new Error("empty file (0 bytes)");
  if (file.size > 2 ** 30) throw new Error(`${(file.size / 2 ** 30).toFixed(1)} GiB, more than a page can hold; ${ELSEWHERE}`);
  const bytes = await file.arrayBuffer().catch(() => { throw new Error("cannot be read; is it a folder, or was it moved?"); });
  const start = String.fromCharCode(...new Uint8Array(bytes.slice(0, 64))), sound = wav(bytes);
  brief(sound ? sound.total / sound.rate : await promisedSeconds(address));
  if (sound?.rate === rate) return sound;
  const buffer = await new OfflineAudioContext(1, 1, 2 * rate).decodeAudioData(bytes).catch(() => { // at twice the rate
    const text = /^[\t\n\r -~]*$/.test(start) ? "text," : "damaged, or";
    const kind = KINDS.find(([magic]) => start.trimStart().startsWith(magic));
    throw new Error(`cannot be decoded, it is ${kind ? kind[1] : text} not audio that this browser knows`);
  });
  brief(buffer.duration);
  const mono = await halved(buffer, rate);
  const take = (first, count) => {
    const y = new Float32Array(count);
    for (let i = 0; i < count; i++) y[i] = mono[2 * (first + i)];
    return y;
  };
  return { rate, total: buffer.length >> 1, take };
}

// The mean of the channels without what half the rate cannot hold; the filter falls as steeply as that of Python's soxr,
// which browsers' own resampling does not: then each second sample is enough.
async function halved(buffer, rate) {
  const middle = 160, context = new OfflineAudioContext(1, buffer.length + middle, 2 * rate);
  const kernel = new AudioBuffer({ length: 2 * middle + 1, sampleRate: 2 * rate }), h = kernel.getChannelData(0);
  for (let i = 0; i < h.length; i++) {
    const t = Math.PI * (i - middle), a = (Math.PI * (i + 1)) / (middle + 1); // cut off at 0.4775 of the rate
    h[i] = (t ? Math.sin(0.4775 * t) / t : 0.4775) * (0.42 - 0.5 * Math.cos(a) + 0.08 * Math.cos(2 * a));
  }
  const filter = new ConvolverNode(context, { buffer: kernel, disableNormalization: true, channelCount: 1, channelCountMode: "explicit" });
  const source = new AudioBufferSourceNode(context, { buffer });
  source.connect(filter).connect(context.destination);
  source.start();
  return (await context.startRendering()).getChannelData(0).subarray(middle);
}

// What `Heard.to_dict` gives.
function result(path, seconds, net, segments) {
  const round = (x, digits) => Number(x.toFixed(digits)), best = (p) => p.indexOf(Math.max(...p));
  const named = (p) => Object.fromEntries(net.labels.map((label, i) => [label, round(p[i], 5)]));
  const mean = net.labels.map((_, i) => segments.reduce((sum, { p }) => sum + p[i], 0) / segments.length);
  return {
    path, seconds: round(seconds, 2), genre: net.labels[best(mean)], sure: Math.max(...mean) >= net.threshold,
    agreement: round(segments.filter(({ p }) => best(p) === best(mean)).length / segments.length, 3), probabilities: named(mean),
    segments: segments.map(({ start, p }) => ({ start: round(start, 2), probabilities: named(p) })),
  };
}

// --- the panel --------------------------------------------------------------------------------------------------------

const COLORS = ["#4e79a7", "#f28e2b", "#59a14f", "#e15759", "#76b7b2", "#edc948", "#b07aa1", "#9c755f", "#ff9da7", "#8c96a3"];
const HEAT = Uint32Array.from({ length: 256 }, (_, i) => { // colours from soft to loud
  const stops = [[0, 0, 4], [59, 15, 112], [140, 41, 129], [222, 73, 104], [254, 159, 109], [252, 253, 191]];
  const k = Math.min(4, Math.floor(i / 51));
  const [r, g, b] = stops[k].map((low, n) => Math.round(low + (i / 51 - k) * (stops[k + 1][n] - low)));
  return (255 << 24) | (b << 16) | (g << 8) | r;
});
const WIDTH = 1000, PANEL = `
  <div class="listen-ask">
    <input type="file" id="listen-file" accept="audio/*,video/*"><label for="listen-file">Choose a sound</label>
    <span>or drop one here, or</span><button type="button" class="listen-record">record ten seconds</button>
  </div>
  <p class="listen-said" role="status">Nothing leaves this page: your file is heard here, in your browser.</p>
  <progress aria-label="Heard so far" hidden></progress>
  <div class="listen-heard" hidden>
    <ol class="listen-best" aria-label="The three best"></ol>
    <p class="listen-trust"></p>
    <div class="listen-play"><button type="button">Play</button><span></span></div>
    <div class="listen-time" role="slider" tabindex="0" aria-label="Place in the sound" aria-valuemin="0">
      <canvas width="${WIDTH}" height="90"></canvas><canvas width="${WIDTH}" height="128"></canvas>
      <canvas width="${WIDTH}" height="120"></canvas><i></i>
    </div>
    <ul class="listen-legend" aria-label="Colours of the probabilities over time, below the waveform and the mel levels"></ul>
  </div>
  <details open><summary>The answer as JSON</summary><pre id="listen-result" tabindex="0"></pre></details>`;

function panel(figure, script) {
  const root = document.createElement("div"), find = (selector) => root.querySelector(selector);
  root.className = "listen";
  root.innerHTML = PANEL;
  figure.prepend(root);
  const said = find(".listen-said"), progress = find("progress"), json = find("pre"), shown = find(".listen-heard");
  const [play, place] = find(".listen-play").children, slider = find(".listen-time"), head = find(".listen-time > i"), audio = new Audio();
  const record = find(".listen-record");
  const [wave, picture, shares] = Array.from(root.querySelectorAll("canvas"), (canvas) => canvas.getContext("2d"));
  audio.preload = "metadata";
  let turn = 0, net, ready, workers, seconds = 0, edges = [], answers = [], recorder;

  const percent = (p) => `${Math.round(100 * p)}\u202f%`, best = (p) => p.indexOf(Math.max(...p)), color = (i) => COLORS[i % COLORS.length];
  function entry(text, i) {
    const item = document.createElement("li"), swatch = document.createElement("i");
    swatch.style.background = color(i);
    item.append(swatch, text);
    return item;
  }

  // The network, and workers that know it, once there is something to hear.
  async function prepare() {
    await new Promise((done, fail) => {
      const element = document.createElement("script");
      const failed = () => fail(new Error("the network is missing: genres.js beside the pages"));
      document.head.append(Object.assign(element, { src: new URL("genres.js", script), onload: done, onerror: failed }));
    });
    net = window.GENRES;
    const source = new Blob([`${fft}\n${ear}\n(${work})()`], { type: "text/javascript" }), address = URL.createObjectURL(source);
    workers = Array.from({ length: Math.min(2, navigator.hardwareConcurrency) }, () => new Worker(address));
    for (const worker of workers) worker.postMessage({ net });
    find(".listen-legend").replaceChildren(...net.labels.map(entry));
  }

  async function hear(file) {
    const mine = ++turn, path = file.name, late = () => mine !== turn; // another file has come
    audio.pause();
    URL.revokeObjectURL(audio.src);
    const address = (audio.src = URL.createObjectURL(file));
    [json.textContent, shown.hidden, progress.hidden, said.textContent] = ["", true, false, `${path}: reading`];
    progress.removeAttribute("value");
    try {
      await (ready ??= prepare());
      const { sample_rate: rate } = net.frontend, length = net.samples, starts = [];
      const sound = await decode(file, address, rate);
      if (late()) return;
      for (let at = 0; at + length <= sound.total; at += length >> 1) starts.push(at);
      seconds = sound.total / rate;
      const short = ([a, b]) => `${a} s long, but this network hears ${b} s at a time; too short`;
      if (!starts.length) throw new Error(short([seconds, length / rate].map((s) => Number(s.toPrecision(3)))));
      if (sound.total - starts.at(-1) - length > rate >> 1) starts.push(sound.total - length);
      edges = [0, ...starts.slice(1).map((at, i) => (at + starts[i] + length) / 2 / rate), seconds]; // of what is drawn of each
      for (const context of [wave, picture, shares]) context.clearRect(0, 0, WIDTH, 200);
      shown.hidden = false;
      await listenTo(sound, starts, length, late, (part) => {
        if (Math.floor(4 * part) > Math.floor(4 * progress.value)) said.textContent = `${path}: ${percent(part)} heard`;
        progress.value = part;
      });
      if (late()) return;
      const segments = starts.map((at, i) => ({ start: at / rate, p: answers[i] })).filter(({ p }) => p);
      if (!segments.length) throw new Error("silent, there is nothing to hear");
      tell(result(path, seconds, net, segments));
    } catch (error) {
      if (late()) return;
      failed(path, error.message);
    }
    progress.hidden = true;
  }

  // Gives each worker two segments at a time, and draws them and what comes back; of silence nothing does.
  function listenTo(sound, starts, length, late, told) {
    answers = new Array(starts.length);
    return new Promise((done, fail) => {
      const mine = turn, when = (index, sample = 0) => (starts[index] + sample) / sound.rate;
      let next = 0, count = 0, open = true;
      function give(worker) {
        if (late() || next === starts.length) return;
        const y = sound.take(starts[next], length);
        drawWave(next, when(next), y, sound.rate);
        worker.postMessage({ turn: mine, index: next++, y }, [y.buffer]);
      }
      for (const worker of workers) {
        worker.onerror = ({ message }) => fail(new Error(`the network failed: ${message}`));
        worker.onmessage = ({ data: { turn: asked, index, bad, levels, p } }) => {
          if (asked !== mine || late() || !open) return;
          if (bad >= 0) {
            open = false;
            return fail(new Error(`samples are NaN or infinite, the first at ${Number(when(index, bad).toPrecision(3))} s`));
          }
          answers[index] = p;
          if (p) draw(index, when(index), levels, p);
          told(++count / starts.length);
          if (count === starts.length) done();
          give(worker);
        };
        give(worker);
        give(worker);
      }
    });
  }

  const column = (time) => Math.round((time / seconds) * WIDTH);

  function drawWave(index, start, y, rate) {
    const sample = (x) => Math.round(((x * seconds) / WIDTH - start) * rate);
    wave.fillStyle = "#3f8fb5";
    for (let x = column(edges[index]); x < column(edges[index + 1]); x++) {
      let low = 0, high = 0;
      for (let i = Math.max(0, sample(x)), end = Math.min(y.length, sample(x + 1)); i < end; i++) {
        if (y[i] < low) low = Math.max(-1, y[i]);
        if (y[i] > high) high = Math.min(1, y[i]);
      }
      wave.fillRect(x, 45 - 45 * high, 1, Math.max(1, 45 * (high - low)));
    }
  }

  function draw(index, start, levels, p) {
    const { n_mels: bands, hop_length, sample_rate } = net.frontend;
    const frame = (time) => Math.floor(((time - start) * sample_rate) / hop_length);
    const [from, to] = [edges[index], edges[index + 1]], left = column(from), width = Math.max(1, column(to) - left);
    const first = Math.max(0, frame(from)), frames = Math.max(1, Math.min(levels.length / bands, frame(to) + 1) - first);
    const image = new ImageData(frames, bands), pixels = new Uint32Array(image.data.buffer);
    for (let j = 0; j < frames; j++)
      for (let band = 0; band < bands; band++) { // from -30 to 40 dB
        const level = Math.round(((levels[(first + j) * bands + band] + 30) / 70) * 255);
        pixels[(bands - 1 - band) * frames + j] = HEAT[Math.max(0, Math.min(255, level))];
      }
    const small = new OffscreenCanvas(frames, bands);
    small.getContext("2d").putImageData(image, 0, 0);
    picture.drawImage(small, left, 0, width, 128);
    let y = 120;
    p.forEach((share, i) => {
      shares.fillStyle = color(i);
      shares.fillRect(left, (y -= 120 * share), width, 120 * share);
    });
  }

  function tell(found) {
    const p = net.labels.map((label) => found.probabilities[label]), order = [...p.keys()].sort((i, j) => p[j] - p[i]).slice(0, 3);
    const named = (i) => `${net.labels[i]} ${percent(p[i])}`;
    said.textContent = `${found.path}, ${clock(found.seconds)} long: ${found.sure ? "" : "not sure, perhaps "}${named(order[0])}. ` +
      `By themselves ${percent(found.agreement)} of its segments say the same.`;
    find(".listen-best").replaceChildren(...order.map((i) => {
      const item = entry(named(i), i);
      item.style.setProperty("--share", p[i]);
      return item;
    }));
    const k = net.trust.findIndex(([least]) => p[order[0]] >= least), [least, n, right] = net.trust.at(k); // the surest first
    const [upper] = net.trust.at(k - 1) ?? [1], lower = Math.round(100 * Math.min(least, p[order[0]]));
    const range = k ? `${lower} to ${percent(upper)}` : `${percent(least)} or more`;
    find(".listen-trust").textContent = `When it is about this sure (${range}), ` +
      `it is right on ${Math.round((100 * right) / n)} of 100 test tracks. These are like the music that it learned from; on other music, trust it less.`;
    json.textContent = JSON.stringify(found);
    slider.setAttribute("aria-valuemax", found.seconds);
    move();
  }

  function failed(path, error) {
    shown.hidden = true;
    said.textContent = `${path}: ${error}.`;
    json.textContent = JSON.stringify({ path, error });
  }

  // --- playing ---

  function move() {
    const time = Math.min(audio.currentTime, seconds), p = answers[edges.findIndex((edge, i) => time < edges[i + 1])];
    place.textContent = `${clock(time)} of ${clock(seconds)}: ${p ? `${net.labels[best(p)]} ${percent(Math.max(...p))}` : "silence"}`;
    head.style.left = `${(100 * time) / seconds}%`;
    slider.setAttribute("aria-valuenow", time.toFixed(1));
    slider.setAttribute("aria-valuetext", place.textContent);
    if (!audio.paused) requestAnimationFrame(move);
  }

  const seek = (time) => (audio.currentTime = Math.max(0, Math.min(seconds, time)));
  audio.onplay = () => { play.textContent = "Pause"; move(); };
  audio.onpause = () => { play.textContent = "Play"; };
  audio.onseeked = move;
  play.onclick = () => (audio.paused ? audio.play().catch(() => { place.textContent = "this browser cannot play it"; }) : audio.pause());
  slider.onpointerdown = ({ clientX }) => seek(((clientX - slider.getBoundingClientRect().left) / slider.clientWidth) * seconds);
  slider.onkeydown = (event) => {
    const steps = { ArrowLeft: -5, ArrowDown: -5, ArrowRight: 5, ArrowUp: 5, PageDown: -30, PageUp: 30 };
    const by = { ...steps, Home: -Infinity, End: Infinity }[event.key];
    if (by) seek(audio.currentTime + by);
    else if (event.key === " ") play.click();
    else return;
    event.preventDefault();
  };

  // --- asking for a sound ---

  find("input").onchange = ({ target }) => {
    if (target.files.length) hear(target.files[0]);
    target.value = ""; // so that the same file can be chosen again
  };
  root.ondragover = (event) => event.preventDefault();
  root.ondrop = (event) => {
    event.preventDefault();
    if (event.dataTransfer.files.length) hear(event.dataTransfer.files[0]);
  };

  async function recordTen() {
    turn++; // what is heard now is not waited for
    const plain = { echoCancellation: false, noiseSuppression: false, autoGainControl: false }, parts = [];
    const stream = await navigator.mediaDevices.getUserMedia({ audio: plain });
    let left = 10;
    recorder = new MediaRecorder(stream);
    recorder.ondataavailable = ({ data }) => parts.push(data);
    const count = () => (left ? (record.textContent = `stop (${left--} s left)`) : recorder.stop()), timer = setInterval(count, 1000);
    recorder.onstop = () => {
      clearInterval(timer);
      stream.getTracks().forEach((track) => track.stop());
      [recorder, record.textContent] = [null, "record ten seconds"];
      hear(new File(parts, "recording", { type: parts[0].type }));
    };
    recorder.start();
    count();
  }
  record.onclick = () => (recorder ? recorder.stop() : recordTen().catch(({ message }) => failed("recording", message)));
  if (!navigator.mediaDevices?.getUserMedia || !window.MediaRecorder)
    Object.assign(record, { disabled: true, textContent: "no recording: this browser allows it on secure pages only" });
}

if (typeof document !== "undefined") {
  const script = document.currentScript.src;
  document.addEventListener("DOMContentLoaded", () => {
    const figure = document.getElementById("fig-listen-panel");
    if (figure) panel(figure, script);
  });
}
