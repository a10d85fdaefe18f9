# make demo    set up, then the main job on bundled photographs; results under build/
# make test    set up, then the tests
# make check   set up, then what ruff finds, format included
# make lab     set up, then Jupyter on the notebooks
# make kodak   set up, then every table and figure of Kodak again (about 20 minutes; downloads 15 MB)
# make train   set up, then all shipped networks from scratch (12 to 15 hours on 2 cores; downloads 440 MB)

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
READY = $(VENV)/.ready

.PHONY: demo test check lab kodak train clean

demo: $(READY)
	$(BIN)/python -m cae_compress.lab.evaluate --pictures bundled --quick --jobs 2 --out build
	CAE_COMPRESS_PICTURES=bundled CAE_COMPRESS_TABLES="$(CURDIR)/build" \
	    $(BIN)/python -m nbconvert --to notebook --execute --log-level WARN --output-dir build notebooks/07_kodak.ipynb
	@echo "Tables, figures and the executed notebook are in build/."

test: $(READY)
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check

lab: $(READY)
	$(BIN)/python -m jupyterlab notebooks

kodak: $(READY)
	$(BIN)/python -m cae_compress.lab.evaluate --pictures kodak --out data
	$(BIN)/python notebooks/execute.py notebooks/07_kodak.ipynb

train: $(READY)
	$(BIN)/python -m cae_compress.cheng2018.train --export build/cheng2018.npz
	$(BIN)/python -m cae_compress.cheng2018.train --folder runs/cheng2018-dct --start dct --steps 30000 \
	    --learning-rate 5e-4 --export build/cheng2018-dct.npz
	$(BIN)/python -m cae_compress.cheng2018.rate_train --export build
	$(BIN)/python -m cae_compress.toderici2017.train --export build/toderici2017.npz
	$(BIN)/python -m cae_compress.theis2017.train --export build
	$(BIN)/python -m cae_compress.balle2017.train --export build
	$(BIN)/python -m cae_compress.flagship.train --export build/rdcae.npz
	$(BIN)/python -m cae_compress.flagship.train --folder runs/rdcae-ms-ssim --start build/rdcae.npz --tune ms-ssim \
	    --steps 4000 --decay-steps 2500 --learning-rate 4e-4 --export build/rdcae-ms-ssim.npz

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 10) <= sys.version_info[:2] < (3, 14))' || \
	    { echo "TensorFlow needs Python 3.10 to 3.13, $(PYTHON) is $$($(PYTHON) --version). Name another: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' || \
	    { echo "This Python cannot make virtual environments (Debian, Ubuntu: apt install python3-venv)."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --editable .
	$(BIN)/python -m cae_compress.cli warm-up
	@touch $@

clean:
	rm -rf build $(VENV)
