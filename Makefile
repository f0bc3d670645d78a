# From a clone to a rendered book. `make` alone says what there is.

PYTHON  ?= python3
VENV    ?= .venv
CORPUS  ?= synthetic
BUILD   := _build# where Jupyter Book wants it

# Everything that can be made again lies under $(BUILD), so `make clean` really cleans; set it to share the cache.
export AUDIOLIB_CACHE ?= $(abspath $(BUILD))/cache
# TensorFlow's start-up chatter would end up in the rendered pages.
export TF_CPP_MIN_LOG_LEVEL ?= 3
# By this Jupyter tells a kernel that somebody watches; under make nobody moves a slider.
unexport JPY_SESSION_NAME

RUN      := $(VENV)/bin/python
ENV      := $(VENV)/.complete
LIBRARY  := $(wildcard audiolib/*.py)
CHAPTERS := $(patsubst notebooks/%.md,%,$(sort $(wildcard notebooks/[0-9]*.md)))
EXECUTED := $(CHAPTERS:%=$(BUILD)/notebooks/%.ipynb)
PAGES    := $(shell find book -type f) _config.yml _toc.yml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
FORCE:
.PHONY: FORCE help book chapters test publish lab bench lock clean clean-all

help:  ## say what there is
	@echo 'usage: make TARGET [VARIABLE=value ...] [-j2]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo 'variables (now):'
	@echo '  CORPUS=$(CORPUS)     what the chapters listen to: synthetic, gtzan-mini, gtzan, or a folder of <label>/<file>'
	@echo '  AUDIOLIB_DATA=$(AUDIOLIB_DATA)     folder with the corpora (empty: your cache folder)'
	@echo '  PYTHON=$(PYTHON)  VENV=$(VENV)'

book: $(BUILD)/html/index.html  ## run what changed and render _build/html/index.html

chapters: $(EXECUTED)  ## run what changed, without rendering

test: $(ENV) book  ## the tests, the rendered book's among them
	$(RUN) -m pytest

lab: $(VENV)/share/jupyter/lab/settings/overrides.json $(BUILD)/corpus.txt  ## JupyterLab, with the chapters opening as notebooks
	$(VENV)/bin/jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks

bench: $(ENV) $(BUILD)/corpus.txt  ## measure speed and memory, each as a ratio within one run
	$(RUN) benchmarks/features.py --corpus $(CORPUS)
	$(RUN) benchmarks/models.py

publish: book  ## put the rendered book on the branch gh-pages of origin
	$(VENV)/bin/ghp-import --no-jekyll --push --force --message 'The book, rendered' $(BUILD)/html

lock:  ## resolve the dependencies of pyproject.toml anew
	$(PYTHON) -m venv $(BUILD)/lock-env
	$(BUILD)/lock-env/bin/pip install --quiet uv
	$(BUILD)/lock-env/bin/uv pip compile pyproject.toml --extra book --extra test --universal --python-version 3.11 \
	    --generate-hashes --no-annotate --upgrade --custom-compile-command 'make lock' --output-file requirements.lock

clean:  ## remove what was made (pages, executed chapters, embedded corpus, cached features)
	rm -rf $(BUILD)

clean-all: clean  ## remove the environment as well
	rm -rf $(VENV)

# The environment: exactly the lock, checked by hash, and the library in place of a copy.
$(ENV): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	    { echo 'make: $(PYTHON) is not Python 3.11, 3.12 or 3.13; say which to take: make PYTHON=python3.12 ...' >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

# What JupyterLab opens a .md file with is a setting of the environment, not of the user.
$(VENV)/share/jupyter/lab/settings/overrides.json: notebooks/lab.json $(ENV)
	@mkdir -p $(@D)
	cp notebooks/lab.json $@

# Two small files that change only when what they name changes: the parameters and the corpus on disk.
$(BUILD)/parameters.txt: FORCE
	@mkdir -p $(@D)
	@echo 'corpus $(CORPUS)' | cmp -s - $@ || echo 'corpus $(CORPUS)' > $@

$(BUILD)/corpus.txt: FORCE $(ENV)
	@mkdir -p $(@D)
	@$(RUN) -c 'import sys; from audiolib import corpora; corpus = corpora.load(sys.argv[1]); \
	    print(*((clip.name, clip.path.stat().st_size, clip.path.stat().st_mtime_ns) for clip in corpus.clips), sep="\n")' \
	    '$(CORPUS)' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# One executor for all: what CI ran is what readers see. A chapter that fails stays in $(BUILD)/failed to look at.
$(BUILD)/notebooks/%.ipynb: notebooks/%.md notebooks/run.py $(LIBRARY) $(BUILD)/parameters.txt $(BUILD)/corpus.txt $(ENV)
	@$(RUN) notebooks/run.py $< $(BUILD) $(if $(filter-out synthetic,$(CORPUS)),-p corpus '$(CORPUS)')

# The chapters on the studies read their records.
$(filter $(BUILD)/notebooks/1%,$(EXECUTED)): $(wildcard results/*.json results/*/*.json)

# Jupyter Book sees prose and executed chapters side by side, with the paths that _toc.yml names.
# Sphinx copies a changed style sheet only if it writes pages, hence --all; and it repeats no warning for a page that it
# has in store, so after a failure it must read all of them again.
$(BUILD)/html/index.html: $(EXECUTED) $(PAGES)
	@rm -rf $(BUILD)/pages && mkdir -p $(BUILD)/pages
	@cp -Rp book _config.yml _toc.yml $(BUILD)/notebooks $(BUILD)/pages/
	$(VENV)/bin/jupyter-book build $(BUILD)/pages --path-output . --all --quiet --warningiserror --keep-going || \
	    { rm -rf $(BUILD)/.doctrees $@; exit 1; }
	@touch $@
	@echo 'the book: $@'
