"""Arguments with which the site runs the examples."""

import tempfile
from pathlib import Path


class ExampleArguments:
    """Write results into a temporary folder, and take a minute in all."""

    def __init__(self):
        self.folder = Path(tempfile.mkdtemp(prefix="fastridge-"))

    def __repr__(self):
        # the same in each build, so that what did not change is not run again
        return "ExampleArguments"

    def __call__(self, gallery_conf, script_vars):
        picture = f"{self.folder}/picture.png"
        return {
            "compare": ["--figure", picture],
            "docstrings": ["--most", "500", "--figure", picture],
            "flights": ["--picture", picture, "--output", f"{self.folder}/flights.fastridge"],
        }.get(Path(script_vars["src_file"]).stem, [])


example_arguments = ExampleArguments()
