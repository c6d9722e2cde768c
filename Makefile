# Aliases only; `python3 dev.py` does the work, with or without make.
.PHONY: demo up test check proto docs bench lock
demo up test check proto docs bench lock:
	@python3 dev.py $@ $(ARGS)
