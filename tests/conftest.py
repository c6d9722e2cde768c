"""What every suite shares: how property tests run. The other rules are in pyproject.toml."""

import hypothesis

# No deadline per example: machines that run many things at once would fail tests for their load, not for their subject.
hypothesis.settings.register_profile("house", deadline=None, print_blob=True)
hypothesis.settings.load_profile("house")
