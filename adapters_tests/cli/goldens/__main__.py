"""Write the goldens anew."""

from adapters_tests.cli.goldens import printed

for path, text in printed().items():
    path.write_text(text, encoding="utf-8")
