# From a clone to a rendered book. `make` alone says what there is.

BUILD   := _build# where Jupyter Book wants it

# What the user gives is text and not make's language: a dollar sign stays one, and where a shell would trip over an
# apostrophe or a space, recipes read it from their environment. What is given empty is not given.
override CORPUS := $(or $(value CORPUS),synthetic)
override PYTHON := $(or $(if $(filter ~/%,$(value PYTHON)),$(patsubst ~/%,$(HOME)/%,$(value PYTHON)),$(value PYTHON)),python3)
override VENV   := $(or $(patsubst ~/%,$(HOME)/%,$(value VENV)),.venv)
ifdef AUDIOLIB_DATA
override AUDIOLIB_DATA := $(value AUDIOLIB_DATA)
endif
export CORPUS PYTHON VENV AUDIOLIB_DATA

# Everything that can be made again lies under $(BUILD), so `make clean` really cleans; set it to share the cache.
ifdef AUDIOLIB_CACHE
override AUDIOLIB_CACHE := $(value AUDIOLIB_CACHE)
else
AUDIOLIB_CACHE := $(CURDIR)/$(BUILD)/cache
endif
export AUDIOLIB_CACHE
# Settings for other work of the user's: of Python, of pip (where to install), of what draws and computes. Chapters and
# pages are made in surroundings that are cleaner still, see notebooks/surroundings.py.
unexport PYTHONHOME PYTHONSTARTUP PYTHONWARNINGS PYTHONOPTIMIZE PIP_TARGET PIP_PREFIX PIP_ROOT
unexport MPLBACKEND MATPLOTLIBRC KERAS_BACKEND KERAS_HOME
export PIP_USER := 0
export PYTHONPATH := $(CURDIR)
export PYTHONUTF8 := 1
export TF_CPP_MIN_LOG_LEVEL ?= 3

RUN      := "$$VENV"/bin/python
CLEAN    := $(RUN) notebooks/surroundings.py $(BUILD)
ENV      := $(VENV)/.complete
LIBRARY  := $(wildcard audiolib/*.py audiolib/*.npz)
CHAPTERS := $(patsubst notebooks/%.md,%,$(sort $(wildcard notebooks/[0-9]*.md)))
EXECUTED := $(CHAPTERS:%=$(BUILD)/notebooks/%.ipynb)
PAGES    := $(shell find book -type f) _config.yml _toc.yml

ifneq ($(words x$(VENV)x),1)
$(error VENV=$(VENV): make builds nothing whose name has a space in it; choose another folder)
endif

# Chapters run side by side, up to four of them, and share the cores; with -j1 one after the other.
CORES   := $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)
ifeq ($(filter --jobserver%,$(MAKEFLAGS)),)
MAKEFLAGS += -j$(shell echo $$(($(CORES) < 4 ? $(CORES) : 4)))
endif
JOBS     = $(or $(patsubst -j%,%,$(filter -j%,$(MAKEFLAGS))),$(CORES))
THREADS  = $(shell echo $$((($(CORES) + $(JOBS) - 1) / $(JOBS))))
# Those that measure time run after the others, one by one.
ALONE   := $(patsubst notebooks/%.md,$(BUILD)/notebooks/%.ipynb,$(sort $(shell grep -lE 'cost\.(interleaved|latenc)' /dev/null $(CHAPTERS:%=notebooks/%.md))))
START   := $(shell date +%s)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.SUFFIXES:
FORCE:
.PHONY: FORCE help book chapters check test publish lab bench lock clean clean-all

help:  ## say what there is
	@echo 'usage: make TARGET [VARIABLE=value ...]'
	@echo
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  \1\t\2/p' $(MAKEFILE_LIST) | expand -t 14
	@echo
	@echo 'variables (now):'
	@printf '  CORPUS=%s     what the chapters listen to: synthetic, gtzan-mini, gtzan, or a folder of <label>/<file>\n' "$$CORPUS"
	@printf '  AUDIOLIB_DATA=%s     folder with the corpora (empty: your cache folder)\n' "$$AUDIOLIB_DATA"
	@printf '  PYTHON=%s  VENV=%s\n' "$$PYTHON" "$$VENV"
	@echo '  LAB_OPTIONS=     for JupyterLab, such as --no-browser or --port=9999'
	@echo '  -jN     N chapters side by side (now $(JOBS))'

book: $(BUILD)/html/index.html  ## run what changed and render _build/html/index.html

chapters: $(EXECUTED)  ## run what changed, without rendering

check: $(ENV)  ## the tests of the library alone: no book, no browser
	$(RUN) -m pytest -n $(JOBS) $(addprefix --ignore=tests/test_,pipeline.py chapters.py pages.py figures.py panel.py)

test: $(ENV) book  ## the tests, the rendered book's among them
	$(RUN) -m pytest -n $(JOBS) --dist loadgroup

lab: $(VENV)/share/jupyter/lab/settings/overrides.json $(BUILD)/corpus.txt  ## JupyterLab, with the chapters opening as notebooks
	JUPYTER_PATH="$(abspath $(VENV))/share/jupyter$${JUPYTER_PATH:+:$$JUPYTER_PATH}" $(RUN) -m jupyter lab --ServerApp.root_dir=. --LabApp.default_url=/lab/tree/notebooks $(value LAB_OPTIONS)

bench: $(ENV) $(BUILD)/corpus.txt  ## measure speed and memory, each as a ratio within one run
	$(RUN) benchmarks/features.py --corpus "$$CORPUS"
	$(RUN) benchmarks/models.py

publish: book  ## put the rendered book on the branch gh-pages of origin
	$(RUN) -m ghp_import --no-jekyll --push --force --message 'The book, rendered' $(BUILD)/html

lock:  ## resolve the dependencies of pyproject.toml anew
	"$$PYTHON" -m venv $(BUILD)/lock-env
	$(BUILD)/lock-env/bin/pip install --quiet uv
	$(BUILD)/lock-env/bin/uv pip compile pyproject.toml --extra book --extra test --universal --python-version 3.11.4 \
	    --generate-hashes --no-annotate --upgrade --custom-compile-command 'make lock' --output-file requirements.lock

clean:  ## remove what was made (pages, executed chapters, embedded corpus, cached features)
	rm -rf $(BUILD)

clean-all: clean  ## remove the environment as well
	rm -rf "$$VENV"

# The environment: exactly the lock, checked by hash, and the library in place of a copy. pip installs uv, uv the rest:
# it took 88 s where pip took 170 (nothing cached, two cores).
$(ENV): requirements.lock pyproject.toml
	@"$$PYTHON" -c 'import sys; sys.exit(not (3, 11, 4) <= sys.version_info < (3, 14))' || \
	    { echo "make: $$PYTHON is not Python 3.11, 3.12 or 3.13 (3.11.4 or later); say which to take: make PYTHON=python3.12 ..." >&2; exit 1; }
	"$$PYTHON" -m venv "$$VENV"
	@sed -n '/^uv==/,/[^\\]$$/p' requirements.lock > "$$VENV"/uv.txt
	$(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r "$$VENV"/uv.txt
	@"$$VENV"/bin/uv pip install --quiet --compile-bytecode --python $(RUN) --require-hashes -r requirements.lock || \
	    { echo 'uv could not install the lock (it reads no settings of pip); pip does it now, in twice the time' >&2; \
	    $(RUN) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock; }
	$(RUN) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@echo $$(($$(date +%s) - $(START))) > "$$VENV"/.complete

# What JupyterLab opens a .md file with is a setting of the environment, not of the user.
$(VENV)/share/jupyter/lab/settings/overrides.json: notebooks/lab.json $(ENV)
	@mkdir -p "$$VENV"/share/jupyter/lab/settings
	cp notebooks/lab.json "$$VENV"/share/jupyter/lab/settings/overrides.json

# Two small files that change only when what they name changes: the parameters and the corpus on disk.
$(BUILD)/parameters.txt: FORCE
	@mkdir -p $(@D)
	@printf 'corpus %s\n' "$$CORPUS" > $@.new; cmp -s $@.new $@ && rm $@.new || mv $@.new $@

$(BUILD)/corpus.txt: FORCE $(ENV)
	@mkdir -p $(@D)
	@$(CLEAN) -c 'import os; from audiolib import corpora; corpus = corpora.load(os.environ["CORPUS"]); \
	    print(*((clip.name, clip.path.stat().st_size, clip.path.stat().st_mtime_ns) for clip in corpus.clips), sep="\n")' > $@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# One executor for all: what CI ran is what readers see. A chapter that fails stays in $(BUILD)/failed to look at.
$(BUILD)/notebooks/%.ipynb: notebooks/%.md notebooks/run.py notebooks/surroundings.py $(LIBRARY) $(BUILD)/parameters.txt $(BUILD)/corpus.txt $(ENV)
	@$(RUN) notebooks/run.py $< $(BUILD) $(if $(filter $@,$(ALONE)),,--threads $(THREADS))$(if \
	    $(filter-out synthetic,$(CORPUS)), -r corpus "$$CORPUS")

# A chapter that is asked for by name waits for no other.
ifeq ($(filter %.ipynb,$(MAKECMDGOALS)),)
$(foreach chapter,$(ALONE),$(eval $(chapter): | $(filter-out $(ALONE),$(EXECUTED)) $(before))$(eval before += $(chapter)))
endif

# The chapters that tell of studies read their records.
$(patsubst notebooks/%.md,$(BUILD)/notebooks/%.ipynb,$(shell grep -l '\.\./results' /dev/null $(CHAPTERS:%=notebooks/%.md))): \
    $(wildcard results/*.json results/*/*.json)

# Jupyter Book sees prose and executed chapters side by side, with the paths that _toc.yml names.
# Sphinx copies a changed style sheet only if it writes pages, hence --all; and it repeats no warning for a page that it
# has in store, so after a failure it must read all of them again.
$(BUILD)/html/index.html: $(EXECUTED) $(PAGES)
	@rm -rf $(BUILD)/pages && mkdir -p $(BUILD)/pages
	@cp -Rp book _config.yml _toc.yml $(BUILD)/notebooks $(BUILD)/pages/
	@echo 'rendering the pages'
	@started=$$(date +%s); \
	$(CLEAN) -c 'from jupyter_book.cli.main import main; main()' build $(BUILD)/pages --path-output . --all --quiet --warningiserror --keep-going || \
	    { rm -rf $(BUILD)/.doctrees $@; exit 1; }; \
	echo $$(($$(date +%s) - started)) > $(BUILD)/times/pages
	@touch $@
	@$(RUN) notebooks/times.py $(START) "$$VENV"/.complete $(BUILD)/times/*
	@echo 'the book: $@'
