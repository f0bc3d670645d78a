"""The musical data that ``compose`` plays: chords, scales, instruments, styles, recordings, and two written-out pieces.

Goal: what makes blues blues stands here as tables to read and to change, and not in code. Pitches are MIDI numbers or
names such as ``F#4`` (A4 = 69 = 440 Hz), levels are in dB, tempos in beats per minute. Chord names are written in C and
transposed to the key of the track. Who changes a table raises ``compose.VERSION``.

Chapters: 01_dataset, 05_chroma
"""

NOTES = {"C": 0, "D": 2, "E": 4, "F": 5, "G": 7, "A": 9, "B": 11, "b": -1, "#": 1}
CHORDS = {  # semitones above the root
    "": (0, 4, 7), "m": (0, 3, 7), "7": (0, 4, 7, 10), "m7": (0, 3, 7, 10), "maj7": (0, 4, 7, 11), "5": (0, 7, 12),
}  # fmt: skip
SCALES = {
    "major": (0, 2, 4, 5, 7, 9, 11), "minor": (0, 2, 3, 5, 7, 8, 10), "blues": (0, 3, 5, 6, 7, 10),
    "pentatonic": (0, 2, 4, 7, 9), "minor pentatonic": (0, 3, 5, 7, 10),
}  # fmt: skip

SAW = tuple(1 / k for k in range(1, 17))
INSTRUMENTS = {  # how the sound is made, its options, attack in seconds, drive (0 is clean, more is more distorted)
    "piano": ("piano", {}, 0.0, 0),
    "electric piano": ("fm", {"index": 1.2, "decay": 2.5}, 0.0, 0),
    "bell": ("fm", {"ratio": 3.5, "index": 1.5, "decay": 2.5}, 0.0, 0),
    "brass": ("fm", {"index": 3.5, "decay": 4.0}, 0.03, 0),
    "sax": ("partials", {"amplitudes": (1, 0.9, 0.7, 0.8, 0.4, 0.3, 0.25, 0.1, 0.1)}, 0.03, 0),
    "clarinet": ("partials", {"amplitudes": (1, 0.05, 0.6, 0.05, 0.35, 0.1, 0.2, 0.1, 0.1)}, 0.03, 0),
    "flute": ("partials", {"amplitudes": (1, 0.3, 0.1, 0.03)}, 0.06, 0),
    "harmonica": ("partials", {"amplitudes": (0.7, 1, 0.6, 0.6, 0.5, 0.2, 0.3, 0.1, 0.1)}, 0.02, 1.5),
    "organ": ("partials", {"amplitudes": (1, 0.7, 0.6, 0.5, 0, 0.3, 0, 0.3)}, 0.008, 0),
    "strings": ("partials", {"amplitudes": SAW, "detune": 0.004}, 0.12, 0),
    "synth": ("partials", {"amplitudes": SAW, "detune": 0.007, "decay": 3.0}, 0.004, 0),
    "pad": ("partials", {"amplitudes": SAW[:6], "detune": 0.005}, 0.2, 0),
    "nylon guitar": ("pluck", {"brightness": 0.35, "decay": 3.0}, 0.0, 0),
    "steel guitar": ("pluck", {"brightness": 0.7, "decay": 4.0}, 0.0, 0),
    "banjo": ("pluck", {"brightness": 1.0, "decay": 1.0}, 0.0, 0),
    "crunch guitar": ("pluck", {"brightness": 0.7, "decay": 6.0}, 0.0, 4),
    "distorted guitar": ("pluck", {"brightness": 0.8, "decay": 8.0}, 0.0, 15),
    "upright bass": ("pluck", {"brightness": 0.12, "decay": 1.5}, 0.005, 0),
    "bass guitar": ("pluck", {"brightness": 0.3, "decay": 3.0}, 0.0, 0),
    "synth bass": ("partials", {"amplitudes": SAW[:8], "decay": 1.2}, 0.003, 0),
    "sub bass": ("partials", {"amplitudes": (1, 0.25, 0.05), "decay": 2.0}, 0.008, 0),
    "kick": ("kick", {}, 0.0, 0),
    "deep kick": ("kick", {"frequency": 42.0}, 0.0, 1.5),
    "tom": ("kick", {"frequency": 85.0}, 0.0, 0),
    "snare": ("snare", {}, 0.0, 0),
    "brush": ("snare", {"frequency": 260.0}, 0.02, 0),
    "clap": ("snare", {"frequency": 900.0}, 0.0, 2),
    "rim": ("fm", {"frequency": 800.0, "ratio": 1.7, "index": 3.0, "decay": 0.08}, 0.0, 0),
    "hat": ("hat", {}, 0.0, 0),
    "shaker": ("hat", {}, 0.02, 0),
}

# A pattern is one bar (bars in a row are joined by |), one sign a step: . rest; X x o a stroke, loud, medium, soft; C c
# the chord; 1 3 5 6 8 the chord's root, third, fifth, sixth, octave; m a note of the melody. A part is: the instruments
# of which one is drawn, lowest pitch, length in beats, level in dB, how likely it is in a track, the patterns of which
# one is drawn; the first part of a style is always there. "steps" to a beat: 4 is straight, 3 a shuffle; "swing"
# delays every second step by that part of a step; "rubato" is how far the tempo breathes. One of the styles of a
# genre, one of its chord rows and one of its scales are drawn.
STYLES = {
    "blues": [
        {"tempo": (66, 132), "steps": 3, "swing": 0, "rubato": 0.01, "scales": ["blues", "minor pentatonic"],
         "chords": ["C7 C7 C7 C7 F7 F7 C7 C7 G7 F7 C7 G7", "C7 F7 C7 C7 F7 F7 C7 C7 G7 F7 C7-F7 C7-G7",
                    "Cm7 Cm7 Cm7 Cm7 Fm7 Fm7 Cm7 Cm7 Ab7 G7 Cm7 G7"],
         "parts": [
             (["upright bass", "bass guitar"], 31, 1.0, -4, 1.0, ["1..3..5..6..", "1..1..5..6..", "1.13.35.56.6"]),
             (["piano", "steel guitar", "organ", "crunch guitar"], 50, 0.5, -11, 0.9,
              ["c.cc.cc.cc.c", "...c.....c..", "c....c......|...c....c..."]),
             (["crunch guitar", "harmonica", "crunch guitar", "piano", "sax"], 60, 0.9, -7, 0.9,
              ["m..m.mm.....|......m.mm.m", "..mm.mm..m..|............", "mmmm..m.....|...m.mm....."]),
             (["hat"], 0, 0.2, -10, 0.9, ["x.ox.ox.ox.o", "xoxxoxxoxxox", "...x.....x.."]),
             (["snare", "brush"], 0, 0.4, -10, 0.9, ["...X.....X..", "...X.....X..|...X.....X.x"]),
             (["kick"], 0, 0.6, -7, 0.9, ["X.....X.....", "X....xX....."]),
         ]},
    ],
    "classical": [
        {"tempo": (84, 168), "steps": 2, "swing": 0, "rubato": 0.10, "scales": ["major"],
         "chords": ["C Am Dm G7 C F G7 C", "C C G7 G7 G7 G7 C C", "C G Am Em F C Dm G7"],
         "parts": [
             (["piano", "strings", "nylon guitar"], 38, 1.0, -7, 1.0, ["1.....", "1.....|5....."]),
             (["piano", "strings", "nylon guitar"], 55, 0.8, -11, 1.0, ["..c.c.", "..3.5.", ".53585"]),
             (["strings", "strings", "piano", "flute"], 69, 1.2, -5, 1.0,
              ["m...m.|m.m.m.|mmmmmm|m.....", "m....m|m...m.|m.mmm.|m....."]),
         ]},
        {"tempo": (56, 120), "steps": 4, "swing": 0, "rubato": 0.08, "scales": ["minor", "major"],
         "chords": ["Cm Ab Fm G7", "C G Am Em F C F G7", "C F G7 C Am Dm G7 C", "Cm Fm Bb Eb Ab Fm G7 Cm"],
         "parts": [
             (["piano", "nylon guitar", "strings"], 50, 0.8, -8, 1.0,
              ["1.5.3.5.1.5.3.5.", "1358531513585315", "1...5...3...5..."]),
             (["strings", "strings", "organ"], 48, 4.0, -10, 0.8, ["c...............", "c.......c......."]),
             (["strings", "flute", "clarinet", "piano", "brass"], 67, 1.5, -6, 0.9,
              ["m.......m...m...|m...m.m.m.......", "m...m...m.m.m.m.|m...........m..."]),
         ]},
    ],
    "country": [
        {"tempo": (84, 136), "steps": 4, "swing": 0.06, "rubato": 0.01, "scales": ["pentatonic", "major"],
         "chords": ["C C F C C C G G", "C F C G", "C C F F C G C C", "G F C C"],
         "parts": [
             (["upright bass", "bass guitar"], 33, 1.0, -4, 1.0, ["1.......5.......", "1.......5.....6."]),
             (["steel guitar", "nylon guitar"], 50, 0.5, -9, 1.0,
              ["....c.......c...", "....C..c....C.c.", "..c.C.c...c.C.c."]),
             (["banjo", "steel guitar", "piano"], 60, 0.5, -11, 0.6, ["1.3.5.8.5.3.1.3.", "1358538513585385"]),
             (["strings", "steel guitar", "harmonica", "crunch guitar"], 65, 0.9, -8, 0.8,
              ["m.m.mm..m.......|....m.m.m.m.m...", "m...m.m.m...m...|m.......m.m....."]),
             (["brush", "snare"], 0, 0.25, -13, 0.8, ["xoXoxoXoxoXoxoXo", "....X.......X..."]),
             (["kick"], 0, 0.6, -9, 0.7, ["X.......X.......", "X.......X.x....."]),
             (["hat", "shaker"], 0, 0.2, -13, 0.6, ["x.x.x.x.x.x.x.x.", "..x...x...x...x."]),
         ]},
        {"tempo": (96, 150), "steps": 2, "swing": 0.0, "rubato": 0.02, "scales": ["pentatonic", "major"],
         "chords": ["C C F C C C G G", "C F C G"],
         "parts": [
             (["upright bass", "bass guitar"], 33, 1.5, -4, 1.0, ["1.....|5....."]),
             (["steel guitar", "nylon guitar", "piano"], 52, 0.7, -9, 1.0, ["..c.c.", "..c.cc"]),
             (["strings", "harmonica", "steel guitar"], 67, 1.0, -8, 0.9, ["m...m.|m.m.m.|m...mm|m....."]),
             (["brush", "snare"], 0, 0.3, -14, 0.7, ["..x.x."]),
         ]},
    ],
    "disco": [
        {"tempo": (108, 132), "steps": 4, "swing": 0.03, "rubato": 0.0, "scales": ["minor pentatonic", "minor"],
         "chords": ["Cm7 Cm7 F7 F7", "Cm Ab Bb Gm", "Dm7 G7 Cmaj7 Am7", "Cm7 Bb Ab G7", "Fm7 Bb7 Cm7 Cm7"],
         "parts": [
             (["bass guitar", "synth bass"], 33, 0.4, -4, 1.0,
              ["1.8.1.8.1.8.1.8.", "1..1.8.11..1.8.1", "..1.8.1...1.8.58"]),
             (["crunch guitar", "steel guitar", "electric piano"], 57, 0.2, -14, 0.9,
              ["..c...c.c.c...c.", "c.cc..c.c.cc..c.", "....c..c....c..c"]),
             (["strings", "pad", "synth"], 60, 3.5, -12, 0.8, ["c...............", "c.......c......."]),
             (["strings", "brass", "synth", "flute"], 67, 0.6, -10, 0.7,
              ["m..m..m...m.....|................", "........m.m.m.mm|m..............."]),
             (["kick"], 0, 0.6, -4, 1.0, ["X...X...X...X..."]),
             (["snare", "clap"], 0, 0.4, -9, 1.0, ["....X.......X...", "....X.......X..x"]),
             (["hat"], 0, 0.5, -10, 1.0, ["..X...X...X...X.", "x.X.x.X.x.X.x.X.", "xxXxxxXxxxXxxxXx"]),
         ]},
    ],
    "hiphop": [
        {"tempo": (76, 106), "steps": 4, "swing": 0.28, "rubato": 0.0, "scales": ["minor pentatonic", "minor"],
         "chords": ["Cm Cm Ab Bb", "Cm7 Fm7", "Cm Cm Cm Cm", "Cm Gm Ab Fm", "Dm7 Cmaj7"],
         "parts": [
             (["sub bass", "synth bass", "bass guitar"], 31, 1.0, -3, 1.0,
              ["1.....1...1.....", "1..1......1.8...", "1.......1.1....."]),
             (["electric piano", "piano", "strings", "bell", "nylon guitar"], 55, 1.0, -11, 0.9,
              ["c...............|c.....c.........", "c.....c...c.....", "1.3.5.8.5.3.1.3."]),
             (["bell", "flute", "synth", "piano", "brass"], 67, 0.7, -13, 0.5, ["m..m..m.........|................"]),
             (["deep kick", "kick"], 0, 0.6, -3, 1.0, ["X..x......X.x...", "X.x.......X.....", "X......x..X..x.."]),
             (["snare", "clap", "rim"], 0, 0.4, -7, 1.0, ["....X.......X...", "....X..o.o..X..."]),
             (["hat", "shaker"], 0, 0.2, -11, 1.0, ["x.x.x.x.x.x.x.xx", "x.x.x.xxx.x.x.x.", "xxxxxxxxxxxxxxxx"]),
         ]},
    ],
    "jazz": [
        {"tempo": (96, 208), "steps": 3, "swing": 0, "rubato": 0.01, "scales": ["major", "blues"],
         "chords": ["Dm7 G7 Cmaj7 Cmaj7", "Dm7-G7 Cmaj7-Am7", "Cmaj7 Am7 Dm7 G7",
                    "Fm7 Bb7 Ebmaj7 Ebmaj7 Dm7 G7 Cmaj7 Cmaj7",
                    "C7 F7 C7 C7 F7 F7 C7 Am7 Dm7 G7 C7-Am7 Dm7-G7"],
         "parts": [
             (["upright bass"], 31, 1.0, -3, 1.0, ["1..3..5..6..", "1..5..3..6..|1..3..5..8..", "8..6..5..3.."]),
             (["piano", "steel guitar", "electric piano"], 53, 0.6, -11, 0.9,
              ["..c.......c.|c....c......", "c....c......", "...c.....c.."]),
             (["sax", "clarinet", "brass", "piano", "nylon guitar"], 62, 0.7, -7, 0.9,
              ["m.mm.mm.mm.m|......m.mm.m", "..mm.m...m.m|m.....mmm...", "mmmm.mm....."]),
             (["hat"], 0, 0.8, -9, 0.9, ["x..x.xx..x.x", "x..x.ox..x.o"]),
             (["brush", "snare"], 0, 0.3, -16, 0.7, ["...o.....o..", ".....o......|..o.....o..."]),
             (["kick"], 0, 0.5, -15, 0.5, ["x.....x.....", "o..o..o..o.."]),
         ]},
        {"tempo": (104, 144), "steps": 4, "swing": 0, "rubato": 0.01, "scales": ["major", "minor"],
         "chords": ["Dm7 G7 Cmaj7 Cmaj7", "Cmaj7 Cmaj7 Dm7 G7", "Cm7 Fm7 Dm7 G7"],
         "parts": [
             (["upright bass", "bass guitar"], 33, 1.0, -4, 1.0, ["1.....5.5.....1."]),
             (["nylon guitar", "piano"], 53, 0.8, -9, 1.0, ["c..c..c...c..c..", "c...c.c...c.c..."]),
             (["flute", "sax", "clarinet", "piano"], 65, 1.2, -7, 0.9,
              ["m.....m...m.....|m..m..m.........", "..m.m.m.m.......|........m...m..."]),
             (["rim"], 0, 0.2, -15, 0.7, ["x..x..x...x..x.."]),
             (["shaker", "hat"], 0, 0.2, -13, 0.8, ["x.x.x.x.x.x.x.x."]),
         ]},
    ],
    "metal": [
        {"tempo": (96, 184), "steps": 4, "swing": 0, "rubato": 0.0, "scales": ["minor", "minor pentatonic"],
         "chords": ["C5 C5 Eb5 F5", "C5 Ab5 Bb5 C5", "C5 C5 C5 Db5", "C5-Db5 C5-Eb5"],
         "parts": [
             (["distorted guitar"], 40, 0.5, -5, 1.0,
              ["c.ccc.ccc.ccc.cc", "c.c.c.c.c.c.c.c.", "c..c..c.c..c..c.", "cccccccccccccccc"]),
             (["bass guitar"], 28, 0.5, -7, 1.0, ["1.111.111.111.11", "1.1.1.1.1.1.1.1.", "1..1..1.1..1..1."]),
             (["distorted guitar", "crunch guitar"], 64, 0.6, -9, 0.6,
              ["mmmmmmmmm.......|................", "m.......m...m.m."]),
             (["kick", "deep kick"], 0, 0.25, -7, 1.0, ["X.xxX.xxX.xxX.xx", "xxxxxxxxxxxxxxxx", "X.....x.X.x....."]),
             (["snare"], 0, 0.5, -8, 1.0, ["....X.......X...", "..X...X...X...X."]),
             (["hat"], 0, 1.0, -8, 1.0, ["X...x...x...x...", "X.x.x.x.x.x.x.x."]),
         ]},
    ],
    "pop": [
        {"tempo": (88, 130), "steps": 4, "swing": 0.03, "rubato": 0.0, "scales": ["pentatonic", "major"],
         "chords": ["C G Am F", "Am F C G", "C Am F G", "F G Em Am", "C F Am G"],
         "parts": [
             (["synth bass", "bass guitar"], 33, 0.6, -5, 1.0,
              ["1.1.1.1.1.1.1.1.", "1..1..1.1..1..1.", "1.......1......."]),
             (["piano", "steel guitar", "electric piano", "synth"], 60, 1.0, -10, 1.0,
              ["c...c...c...c...", "c..c..c.c..c..c.", "1.5.8.5.1.5.8.5."]),
             (["pad", "synth", "strings"], 60, 3.8, -11, 0.9, ["c..............."]),
             (["synth", "bell", "flute", "steel guitar", "piano"], 67, 0.8, -7, 0.9,
              ["m.m.m...m.m.m...|m...m.m.m.......", "m..m..m.m.......|m..m..m...m.m...",
               "..m.m.m.m...m...|................"]),
             (["kick", "deep kick"], 0, 0.5, -5, 1.0, ["X.....x.X.......", "X...X...X...X...", "X..x..x.X..x...."]),
             (["snare", "clap"], 0, 0.4, -9, 1.0, ["....X.......X..."]),
             (["hat", "shaker"], 0, 0.2, -11, 0.9, ["x.x.x.x.x.x.x.x.", "x.xxx.xxx.xxx.xx", "..x...x...x...x."]),
         ]},
    ],
    "reggae": [
        {"tempo": (64, 92), "steps": 4, "swing": 0.15, "rubato": 0.0, "scales": ["pentatonic", "minor pentatonic"],
         "chords": ["Cm Fm", "C F G F", "Am G", "C C F F", "Cm Bb Ab Bb"],
         "parts": [
             (["bass guitar", "sub bass"], 31, 0.8, -2, 1.0,
              ["1.....1.5...3...", "..1.3.5.....1.1.", "1...1.3.5......."]),
             (["steel guitar", "crunch guitar", "piano"], 60, 0.2, -9, 1.0,
              ["..c...c...c...c.", "..cc..cc..cc..c.", "..C...c...C...c."]),
             (["organ", "electric piano"], 57, 0.25, -15, 0.7, ["..c.c.c...c.c.c.", ".cc..cc..cc..cc."]),
             (["brass", "sax", "harmonica", "organ", "steel guitar"], 64, 0.7, -9, 0.7,
              ["m...m.m.........|................", "........m.m.m...|m...............",
               "..m.m...m.......|..m.m.m........."]),
             (["kick", "deep kick"], 0, 0.5, -5, 1.0, ["........X.......", "X.......X.......", "X...X...X...X..."]),
             (["rim", "snare"], 0, 0.3, -9, 1.0, ["........X.......", "........X.....x.", "....X.......X..."]),
             (["hat", "shaker"], 0, 0.2, -11, 1.0, ["x.x.x.x.x.x.x.x.", "..x...x...x...x."]),
         ]},
    ],
    "rock": [
        {"tempo": (92, 152), "steps": 4, "swing": 0.02, "rubato": 0.005, "scales": ["minor pentatonic", "pentatonic",
        "blues"],
         "chords": ["C Bb F C", "C F G F", "C5 Eb5 F5 Bb5", "Am F C G", "C5 C5 F5 G5"],
         "parts": [
             (["crunch guitar", "crunch guitar", "distorted guitar"], 43, 0.8, -6, 1.0,
              ["c.c.c.c.c.c.c.c.", "c..c..c.c..c..c.", "C.....c.c.c....."]),
             (["bass guitar"], 31, 0.5, -5, 1.0, ["1.1.1.1.1.1.1.1.", "1..1..1.1..1..1.", "1...1...5...1..."]),
             (["organ", "steel guitar", "piano"], 58, 1.0, -14, 0.4, ["c...............", "c...c...c...c..."]),
             (["crunch guitar", "distorted guitar", "steel guitar", "harmonica"], 62, 0.8, -8, 0.7,
              ["m.m.m...m.m.....|................", "m...m.mmm.......|m.......m.m.m..."]),
             (["kick"], 0, 0.5, -5, 1.0, ["X.......X.X.....", "X.....x.X.x.....", "X.X.....X......."]),
             (["snare"], 0, 0.5, -7, 1.0, ["....X.......X...", "....X.......X...|....X.......X.xx"]),
             (["hat"], 0, 0.4, -9, 1.0, ["x.x.x.x.x.x.x.x.", "X...x...x...x..."]),
         ]},
    ],
}  # fmt: skip
RECORDINGS = {  # how a genre is recorded, from and to: treble taken off, room, limiter, level in dBFS, noise in dB
    "blues": ((0.20, 0.45), (0.05, 0.20), (0.08, 0.20), (-21, -15), (-56, -44)),
    "classical": ((0.15, 0.45), (0.25, 0.50), (0.02, 0.08), (-24, -18), (-66, -54)),
    "country": ((0.00, 0.20), (0.03, 0.12), (0.08, 0.20), (-20, -15), (-62, -52)),
    "disco": ((0.05, 0.30), (0.05, 0.15), (0.12, 0.24), (-18, -13.5), (-60, -50)),
    "hiphop": ((0.20, 0.45), (0.00, 0.06), (0.20, 0.36), (-17, -12.5), (-56, -42)),
    "jazz": ((0.35, 0.65), (0.08, 0.25), (0.04, 0.12), (-23, -17), (-58, -46)),
    "metal": ((0.00, 0.15), (0.02, 0.10), (0.20, 0.40), (-16, -12.5), (-66, -56)),
    "pop": ((0.00, 0.12), (0.10, 0.30), (0.20, 0.36), (-16, -12.5), (-68, -58)),
    "reggae": ((0.30, 0.60), (0.15, 0.35), (0.08, 0.20), (-20, -15), (-60, -48)),
    "rock": ((0.05, 0.35), (0.03, 0.18), (0.16, 0.32), (-18, -13), (-62, -52)),
}
STROKES = {"X": 1.0, "x": 0.7, "o": 0.4, "C": 1.0, "c": 0.75}

# Both pieces use the notes of one key (C major, A minor), so that what tells them apart is the composition. Melody:
# name and beats, bars divided by |; one chord a bar, two where joined by -.
PIECES = {
    "lantern": {
        "tempo": 104, "beats": 4,
        "melody": "E4:1 G4:1 C5:1.5 B4:.5 | A4:1 C5:1 G4:2 | F4:1 A4:1 D5:1.5 C5:.5 | B4:3 G4:1 |"
                  "E5:1 D5:1 C5:1.5 B4:.5 | A4:1.5 B4:.5 C5:2 | D5:1 F5:.5 E5:.5 D5:1 B4:1 | C5:4",
        "chords": "C F-C Dm G C-Am F G C",
    },
    "ferry": {
        "tempo": 144, "beats": 3,
        "melody": "A4:2 E4:1 | A4:1 B4:1 C5:1 | B4:2 E4:1 | G4:3 | F4:2 A4:1 | C5:1 B4:1 A4:1 | G#4:2 B4:1 | E5:3 |"
                  "D5:2 A4:1 | F5:1 E5:1 D5:1 | E5:2 C5:1 | A4:3 | D5:1 C5:1 B4:1 | A4:1 G#4:1 B4:1 | A4:3",
        "chords": "Am Am Em Em F F E E Dm Dm Am Am Dm E Am",
    },
}  # fmt: skip
